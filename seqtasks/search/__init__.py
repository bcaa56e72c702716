"""Search inside the graph: which tokens to write, given what a decoder says of the next one.

beam      greedy and beam search
sampling  text drawn by chance
top_k     the best of a vocabulary's columns, block by block; what the other two share
"""
