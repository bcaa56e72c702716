"""Serving: a model server of TF Serving's protocol, or TF Serving's own.

status, limits         the protocol's errors; how much a client may ask for
models/                which models there are, and the engine that runs them
protocol/              JSON and messages to tensors and back, without a transport
warmup                 the requests that a model answers before its clients' first
monitoring, page       metrics; the page to try models on
http_app, http_server  the HTTP application, and the process around it
grpc_server            the same over gRPC
options                what `seqtasks serve` says to either server
embedded               this server, put together
binary                 TF Serving's own server
"""
