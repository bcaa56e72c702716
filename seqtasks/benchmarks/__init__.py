"""Benchmarks, compared with Keras, PyTorch and TF Serving: ratios within one run.

No machine is quiet for long, so what is compared alternates. README.md has figures and how to
measure them again.

measuring        what all share: alternating, memory, the machine, tables
turns, quiet     contestants that are processes and take turns; whether the machine was quiet
layers           one recurrent layer
variants         papers' cells, left-padded batches and kept states, compared with the plain layer
corpora          the networks and texts that training and decoding are measured with
epochs, cost     whole epochs; the parts of a step, the cost of more data, memory
train            `bench train`, which puts these two together
decode           translations per second, and an exported layer
inspecting       `inspect` beside `predict`, and its memory
serving_load     clients that keep a server busy
serving_subject  the model that is measured, and a server of it
serving          the server: latency, requests per second, overhead, start, memory
"""
