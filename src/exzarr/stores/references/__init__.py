"""Read-only stores made of references to byte ranges in other files."""
