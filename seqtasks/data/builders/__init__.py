"""TFDS builders of the toy data sets, and the grammars that write their sentences."""
