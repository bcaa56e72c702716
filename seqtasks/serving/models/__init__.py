"""Models: which exist, which of their versions are loaded, and the Session that runs one.

model_config  folders, version policies and labels of models
signature     what a model is asked and what it answers
engine        a SavedModel in a Session
stopping      the order to end a request
brake         ends a run of a Session at that order
bounds        what exports of earlier versions don't bound themselves
batching      requests that share one run
versions      the versions of a model: their states and their users
manager       looks for new versions and lends the loaded ones to requests
"""
