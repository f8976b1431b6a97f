"""New arrays: what users ask for, made into metadata, stored, and filled."""
