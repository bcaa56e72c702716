"""Recurrent layers: the loop over time, both directions, stacks, pooling by attention."""
