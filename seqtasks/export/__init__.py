"""Export: from a run to a SavedModel that was compared with it.

export            writes a run's endpoints as one graph; it gets a number if the answers agree
samples           requests to compare with: real examples, and what users send by mistake
recorded_answers  a file of requests with the run's own answers
check             the comparison, in a process without Keras
readme            signatures.json for programs, README.md for people
"""
