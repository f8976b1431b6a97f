from exzarr.zarr.enabling import enable as enable
from exzarr.zarr.pipeline import CodecPipeline as CodecPipeline
from exzarr.zarr.store_view import as_store as as_store, as_zarr as as_zarr

__all__: list[str]
