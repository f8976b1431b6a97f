"""Parallel maps: a function over every chunk, in threads, processes or on a cluster."""
