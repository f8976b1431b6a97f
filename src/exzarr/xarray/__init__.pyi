from exzarr.xarray.backend import ExzarrBackendEntrypoint as ExzarrBackendEntrypoint
from exzarr.xarray.explanations import (
    DatasetExplanation as DatasetExplanation,
    explain as explain,
    explain_dataset as explain_dataset,
)
from exzarr.xarray.options import OpenOptions as OpenOptions
from exzarr.xarray.writing.result import ZarrDataStore as ZarrDataStore
from exzarr.xarray.writing.to_zarr import to_zarr as to_zarr

__all__: list[str]
