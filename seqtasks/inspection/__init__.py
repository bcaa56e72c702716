"""Looking into a run: plots of how training went."""
