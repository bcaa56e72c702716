"""Serving: the model server of TF Serving's protocol, and the engine that runs a SavedModel.

status, limits         the protocol's errors; how much a client may ask for
engine, batching       a SavedModel in a Session; requests that share one run
warmup                 the requests that a model answers before its clients' first
model_config, versions, manager
                       which models there are, which versions are loaded, who uses them
tensors, examples, json_codec
                       JSON <-> tensors and tf.Example
inference, rest_api    predict, classify, regress; URL and body in, status and body out
monitoring, rest, server
                       metrics, the HTTP application, the process around it
page                   the page to try models on
grpc_tensors, grpc_api, grpc_server
                       the same over gRPC
options, embedded, binary
                       what `seqtasks serve` runs: this server, or TF Serving's own
calling, client, grpc_client
                       asking a server
predictions            what `seqtasks predict` says, asked of a server
samples, recorded, documentation, export, check
                       from a run to a version that was compared with it
"""
