"""Arrays and groups: how they are found, opened, created and changed."""
