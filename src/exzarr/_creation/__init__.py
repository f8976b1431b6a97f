"""Turn the arguments of a new array into its metadata."""
