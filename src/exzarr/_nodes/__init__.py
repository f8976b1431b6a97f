"""What `Array` and `Group` are made of, and how they are found."""
