"""What `exzarr.batches` is made of: the order of samples, what a batch needs, and who reads it."""
