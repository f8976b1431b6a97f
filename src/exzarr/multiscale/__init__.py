"""Pyramids: arrays stored in several resolutions, for OME-Zarr and GeoZarr.

`writing`      build a pyramid in one pass over the source
  `describe`     axes, scales and units from the arguments; pure
  `levels`       shapes, factors and scales of the levels; pure
  `methods`      how a block of elements becomes one element; pure
  `blocks`       the blocks in which the levels are built; pure
  `task` `build`   one tree of blocks in a worker, and all of them
  `moves`        copies chunks of the source that need not be encoded again
  `target` `record`  where the levels are stored, and the checkpoint of a build
`labels`       label images of an image
`updating`     recompute what a changed region touches
`opening`      open a pyramid or a collection
  `pyramid`      an open pyramid, and its levels; `viewing` which elements show a region; pure
  `collections`  plates, wells, series and scenes

The metadata is parsed and formatted by `exzarr._format.multiscales`.
"""

from exzarr._lazy import exports

__getattr__, __dir__, __all__ = exports(__name__, __file__)
