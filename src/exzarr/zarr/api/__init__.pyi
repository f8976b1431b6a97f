from exzarr.zarr.api import synchronous as synchronous

__all__: list[str]
