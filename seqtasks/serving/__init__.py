"""Serving: a model server with TF Serving's protocol, or TF Serving's own server.

status, limits         the protocol's errors; how much a client may ask for
access                 who may call: tokens, and names of the server
models/                which models there are, and the engine that runs them
messages/              gRPC's messages, defined here, so that they need no TensorFlow
protocol/              JSON and messages to tensors and back, without a transport
warmup                 requests that a model answers before it is available
monitoring, page       metrics and access log; the web page to try models on
workers                the threads that answer, each model's own
http_app, http_body    the HTTP application; a request's body within limits
http_server            the process around it
http_protocol          a connection, with bounds on the head of a request
grpc_server            the gRPC server
grpc_ports             where it listens: a port, a socket file, with certificates or without
options, addresses     what `seqtasks serve` tells either server; where they listen
config_files           TF Serving's small files: batching, certificates, monitoring
embedded               this package's server, assembled from all of these
binary                 TF Serving's own server
"""
