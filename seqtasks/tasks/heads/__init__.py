"""What a network that reads a text answers: a category, a set of labels, or a number.

head       what the three have in common
category   one of several classes
label_set  any of several labels
number     a number
choice     which of them a run has
weights    what each class counts in the loss
"""
