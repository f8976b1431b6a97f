"""Statistics of chunks: minimum, maximum, sum and counts of every stored chunk, kept beside the array.

`exzarr.statistics.build` computes them, and `exzarr.statistics.open` opens them. They are never stale: an entry counts only
while its chunk has the identity that it had when it was read. `docs/guides/statistics-layout.md` defines the stored form.
"""

from exzarr._lazy import exports

__getattr__, __dir__, __all__ = exports(__name__, __file__)
