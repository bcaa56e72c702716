"""Search inside the graph: which tokens to write, given what a decoder says of the next one.

beam      beam search; a beam of 1 is greedy
sampling  text drawn at random
top_k     the best of a vocabulary's columns, block by block; what the other two share
"""
