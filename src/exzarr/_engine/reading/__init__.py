"""From stored chunks to arrays."""
