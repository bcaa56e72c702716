"""Export: from a run to a SavedModel that was compared with it.

export            the endpoints of a run written as one graph, under a number once they agree
samples           what to ask of an export: real examples, and what users send by mistake
recorded_answers  the run's own answers to them, and how far the export's differ
check             the comparison, in a process that has no Keras
readme            signatures.json for programs, README.md for people
"""
