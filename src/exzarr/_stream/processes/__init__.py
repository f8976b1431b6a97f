"""Supervised worker processes: a process that dies is replaced."""
