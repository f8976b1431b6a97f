from exzarr.xarray.backend import ExzarrBackendEntrypoint as ExzarrBackendEntrypoint

__all__: list[str]
