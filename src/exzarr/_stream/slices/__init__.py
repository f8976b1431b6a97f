"""Slice streams: an array position by position along one axis."""
