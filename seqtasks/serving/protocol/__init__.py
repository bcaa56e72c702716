"""TF Serving's protocol without its transport.

json_tensors, json_examples, json_bodies
                       JSON <-> tensors and tf.Example; whole requests and answers
json_pieces            long JSON, read in pieces
grpc_tensors           TensorProto <-> arrays
metadata               what JSON says about signatures and versions
inference              classify and regress
routes                 URLs to what they ask for
rest_api, grpc_api     URL and body, or a message, in; status and body, or a message, out
"""
