"""From a selection to a plan: which chunks, which part of each, and what a read will cost."""
