"""Serving: a model server with TF Serving's protocol, or TF Serving's own server.

status, limits         the protocol's errors; how much a client may ask for
models/                which models there are, and the engine that runs them
protocol/              JSON and messages to tensors and back, without a transport
warmup                 requests that a model answers before it is available
monitoring, page       metrics and access log; the web page to try models on
http_app, http_server  the HTTP application, and the process around it
grpc_server            the gRPC server
options, addresses     what `seqtasks serve` tells either server; where they listen
embedded               this package's server, assembled from all of these
binary                 TF Serving's own server
"""
