"""Slice streams: iterate over the positions of one axis of an array."""
