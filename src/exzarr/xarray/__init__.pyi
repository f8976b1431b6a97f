from exzarr.xarray.backend import ExzarrBackendEntrypoint as ExzarrBackendEntrypoint
from exzarr.xarray.explanations import (
    DatasetExplanation as DatasetExplanation,
    explain as explain,
    explain_dataset as explain_dataset,
)
from exzarr.xarray.options import OpenOptions as OpenOptions

__all__: list[str]
