"""Internals of `exzarr.ingest`."""
