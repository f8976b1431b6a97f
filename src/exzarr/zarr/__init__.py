"""exzarr inside zarr-python.

`CodecPipeline` makes zarr-python read and write chunks with exzarr's engine. One of these lines switches it on:

- ``exzarr.zarr.enable()``
- ``zarr.config.set({"codec_pipeline.path": "exzarr.zarr.CodecPipeline"})``
- ``export ZARR_CODEC_PIPELINE__PATH=exzarr.zarr.CodecPipeline`` in the shell

`as_store` is a store of zarr-python for any store of exzarr. `as_zarr` is zarr-python's array or group for one of exzarr.
"""

from exzarr._lazy import exports

__getattr__, __dir__, __all__ = exports(__name__, __file__)
