"""Turn a selection into a plan of chunks, and estimate the cost of a read."""
