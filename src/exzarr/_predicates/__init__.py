"""Conditions on the values of an array: evaluated on values, or on what statistics tell about them. Pure."""
