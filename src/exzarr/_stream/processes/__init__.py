"""Worker processes that may die: each is watched, and replaced when it is lost."""
