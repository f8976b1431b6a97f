"""Stores in a folder of files."""
