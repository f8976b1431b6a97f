from exzarr.zarr.enabling import enable as enable
from exzarr.zarr.pipeline import CodecPipeline as CodecPipeline

__all__: list[str]
