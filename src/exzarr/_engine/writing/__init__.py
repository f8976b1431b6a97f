"""From arrays to stored chunks."""
