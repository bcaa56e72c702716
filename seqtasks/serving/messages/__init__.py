"""The messages of TF Serving's gRPC protocol, defined here, so that they need no TensorFlow.

The package `tensorflow-serving-api` has the same messages and imports TensorFlow for them. What
counts on the wire is the number and type of each field, so these read and write the same bytes.

definitions            makes classes of messages from tables of their fields
core                   the tables of TensorFlow: tensors, examples, signatures
serving                those of TF Serving: requests, answers, model configurations
classes                the classes, by name
services               which call takes and gives which of them
"""
