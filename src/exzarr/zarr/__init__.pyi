from exzarr.zarr import (
    api as api,
    codecs as codecs,
    dtype as dtype,
    errors as errors,
    storage as storage,
)
from exzarr.zarr.api.synchronous import (
    array as array,
    consolidate_metadata as consolidate_metadata,
    copy as copy,
    create as create,
    create_array as create_array,
    create_group as create_group,
    create_hierarchy as create_hierarchy,
    empty as empty,
    empty_like as empty_like,
    from_array as from_array,
    full as full,
    full_like as full_like,
    group as group,
    load as load,
    ones as ones,
    ones_like as ones_like,
    open as open,
    open_array as open_array,
    open_consolidated as open_consolidated,
    open_group as open_group,
    open_like as open_like,
    save as save,
    save_array as save_array,
    save_group as save_group,
    tree as tree,
    zeros as zeros,
    zeros_like as zeros_like,
)
from exzarr.zarr.arrays import Array as Array
from exzarr.zarr.enabling import enable as enable
from exzarr.zarr.groups import Group as Group
from exzarr.zarr.pipeline import CodecPipeline as CodecPipeline
from exzarr.zarr.settings import config as config
from exzarr.zarr.store_view import as_store as as_store, as_zarr as as_zarr

__all__: list[str]
__version__: str
