"""Measurements beside the peers: ratios within one run, since no machine is quiet."""
