"""Internals of `exzarr.batches`: the order of samples, plans of batches, and readers."""
