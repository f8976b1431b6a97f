"""Parallel maps: call a function for every chunk in threads, in processes or on a cluster."""
