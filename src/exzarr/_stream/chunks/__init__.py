"""Chunk streams: the chunks of an array, read ahead in threads."""
