"""Chunk streams: iterate over the chunks of an array, read ahead in threads."""
