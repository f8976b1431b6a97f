"""Stores that wrap another store: caching, counting, retrying, throttling."""
