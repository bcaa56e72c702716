"""The tasks, a module each; `task` says what a task is, `registry` which there are.

sources           from a configuration to examples: the readers, without TensorFlow
labelled_sources  labelled texts from files, TFDS and toy sets
first_example     how the first example is read, for people
tagger            what tags sentences
heads/            what a classifier answers: a category, a set of labels, a number
selection         the scores that an epoch may be chosen by
writing           what the tasks that write text share
endpoints         the signatures of an export
evaluation        how good a model is
losses, labels    the loss of each token; the file of labels
finished_run      a run's best weights, ready to predict or to be evaluated
"""
