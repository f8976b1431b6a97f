"""Move chunks between a store and NumPy arrays."""
