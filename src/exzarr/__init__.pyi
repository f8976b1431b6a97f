from exzarr import (
    aio as aio,
    codecs as codecs,
    config as config,
    cost as cost,
    errors as errors,
    lab as lab,
    multiscale as multiscale,
    ragged as ragged,
    registry as registry,
    statistics as statistics,
    stores as stores,
    telemetry as telemetry,
    testing as testing,
)
from exzarr._api.creating import (
    array as array,
    create as create,
    create_array as create_array,
    create_group as create_group,
    create_hierarchy as create_hierarchy,
    empty as empty,
    from_array as from_array,
    full as full,
    group as group,
    ones as ones,
    zeros as zeros,
)
from exzarr._api.likes import (
    empty_like as empty_like,
    full_like as full_like,
    ones_like as ones_like,
    open_like as open_like,
    zeros_like as zeros_like,
)
from exzarr._api.opening import (
    consolidate_metadata as consolidate_metadata,
    open as open,
    open_array as open_array,
    open_consolidated as open_consolidated,
    open_group as open_group,
    tree as tree,
)
from exzarr._api.saving import (
    load as load,
    save as save,
    save_array as save_array,
    save_group as save_group,
)
from exzarr._creation.metadata import array_metadata as array_metadata
from exzarr._engine.planning.explain import Explanation as Explanation
from exzarr._nodes.array import Array as Array
from exzarr._nodes.group import Group as Group
from exzarr._nodes.joint_append import Appended as Appended, NewRows as NewRows
from exzarr._predicates.predicates import Predicate as Predicate
from exzarr._predicates.value import value as value
from exzarr._retrying import Retry as Retry
from exzarr._stream.batches.from_arrays import batches as batches
from exzarr._stream.batches.mix import mix as mix
from exzarr._stream.chunks.chunk_stream import Chunk as Chunk, ChunkStream as ChunkStream
from exzarr._stream.ingest.blocks import Block as Block
from exzarr._stream.ingest.dead_letters import dead_letters as dead_letters
from exzarr._stream.ingest.ingest import ingest as ingest, ingest_position as ingest_position
from exzarr._stream.maps.parallel_map import parallel_chunk_map as parallel_chunk_map
from exzarr._stream.slices.slice_stream import Slice as Slice, SliceStream as SliceStream
from exzarr._stream.stream import StreamStats as StreamStats
from exzarr._stream.writing.write_stream import WriteReport as WriteReport
from exzarr._stream.writing.writer import FailedWrite as FailedWrite
from exzarr._tools.check.checking import check as check
from exzarr._tools.check.repair import repair as repair
from exzarr._tools.checksum.digest import checksum as checksum
from exzarr._tools.convert import convert as convert
from exzarr._tools.copy import copy as copy
from exzarr._tools.diff.diff import diff as diff
from exzarr._tools.sync.sync import sync as sync
from exzarr._tools.virtual.virtualize import virtualize as virtualize
from exzarr.errors import (
    ArgumentError as ArgumentError,
    CacheWarning as CacheWarning,
    ChangedError as ChangedError,
    ChecksumError as ChecksumError,
    ChunkCorruptError as ChunkCorruptError,
    ChunkError as ChunkError,
    ChunkMissingError as ChunkMissingError,
    ChunkStoreError as ChunkStoreError,
    ChunkTimeoutError as ChunkTimeoutError,
    CodecError as CodecError,
    ExzarrError as ExzarrError,
    IngestConflictError as IngestConflictError,
    IngestError as IngestError,
    InvalidKeyError as InvalidKeyError,
    LabelError as LabelError,
    LeftOutWarning as LeftOutWarning,
    ListingUnsupportedError as ListingUnsupportedError,
    LockingWarning as LockingWarning,
    LockTimeoutError as LockTimeoutError,
    MetadataError as MetadataError,
    MissingDependencyError as MissingDependencyError,
    MissingDimensionsError as MissingDimensionsError,
    NodeExistsError as NodeExistsError,
    NodeNotFoundError as NodeNotFoundError,
    NodeTypeError as NodeTypeError,
    PluginError as PluginError,
    ReadOnlyError as ReadOnlyError,
    SelectionError as SelectionError,
    StoreError as StoreError,
    StreamError as StreamError,
    TimedOutError as TimedOutError,
    UnknownArgumentError as UnknownArgumentError,
    UnreachableError as UnreachableError,
    UnreadError as UnreadError,
    UnsupportedError as UnsupportedError,
    UpdateUnsupportedError as UpdateUnsupportedError,
    WorkerDiedError as WorkerDiedError,
)
from exzarr.integrations.dask import to_dask as to_dask
from exzarr.integrations.jax import to_jax as to_jax
from exzarr.integrations.ray import to_ray as to_ray
from exzarr.integrations.torch import to_torch as to_torch
from exzarr.stores import (
    LocalStore as LocalStore,
    MemoryStore as MemoryStore,
    Store as Store,
    ZipStore as ZipStore,
)
from exzarr.telemetry.profiling import profile as profile

__all__: list[str]

__version__: str
