"""Streams over arrays larger than memory: by chunk, by slice, by batch."""
