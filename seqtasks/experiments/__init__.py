"""Several runs: what differs between them, how much the seed alone changes, and grids of them.

facts    what a run's files say of it, without TensorFlow
groups   runs that differ in the seed only, as one row; what else differs
grid     the configurations of an experiment: archs and values of keys, some seeds each
several  training all of them, one after the other; what is there already isn't trained again
"""
