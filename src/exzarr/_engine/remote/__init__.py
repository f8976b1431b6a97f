"""Reads and writes on stores that keep many requests in flight."""
