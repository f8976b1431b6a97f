"""Arrays of items of differing length: documents, episodes, tracks, reads.

A ragged array is a group of ordinary arrays: the values of all items, one after the other, and the number of values of
each item. This is the contiguous ragged array representation of the CF conventions. `exzarr.ragged.create` creates one,
and `exzarr.ragged.open` opens one.
"""

from exzarr._lazy import exports

__getattr__, __dir__, __all__ = exports(__name__, __file__)
