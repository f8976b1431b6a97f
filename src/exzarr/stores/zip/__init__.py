"""Stores in zip files."""
