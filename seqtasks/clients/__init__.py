"""Clients of a model server, ours or TF Serving.

client       the interface of both clients, and what they share
rest_client  the REST client, which needs the standard library only
grpc_client  the gRPC client, with the same methods and the same answers
connect      makes the client for a URL
served_run   the answers of `seqtasks predict`, from a server
"""
