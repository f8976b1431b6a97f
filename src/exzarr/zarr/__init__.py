"""exzarr with zarr-python's names, and exzarr inside zarr-python.

``import exzarr.zarr as zarr`` runs programs that use the synchronous interface of zarr-python: the same functions,
classes, keywords and exceptions.

>>> import exzarr.zarr as zarr
>>> root = zarr.group()
>>> root.zeros(name="a", shape=(4,), dtype="i4", config={"write_empty_chunks": True})[:]
array([0, 0, 0, 0], dtype=int32)

`CodecPipeline` makes zarr-python itself read and write chunks with exzarr's engine. One of these lines switches it on:

- ``exzarr.zarr.enable()``
- ``zarr.config.set({"codec_pipeline.path": "exzarr.zarr.CodecPipeline"})``
- ``export ZARR_CODEC_PIPELINE__PATH=exzarr.zarr.CodecPipeline`` in the shell

`as_store` is a store of zarr-python for any store of exzarr. `as_zarr` is zarr-python's array or group for one of exzarr.
"""

from exzarr._lazy import exports

__getattr__, __dir__, __all__ = exports(__name__, __file__)

__version__ = "3.4.2"
"""Version of zarr-python whose interface this is. ``exzarr.__version__`` is that of exzarr."""
