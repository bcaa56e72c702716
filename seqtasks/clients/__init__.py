"""Clients of a model server, ours or TF Serving.

client       what both clients do and share
rest_client  by REST: the standard library only
grpc_client  by gRPC: the same methods, the same answers
connect      the client for a URL
served_run   what `seqtasks predict` says, asked of a server
"""
