"""Read stored chunks into arrays."""
