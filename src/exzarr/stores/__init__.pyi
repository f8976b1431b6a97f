from exzarr.stores.base import (
    KEEP as KEEP,
    Buffer as Buffer,
    ByteRange as ByteRange,
    BytesReader as BytesReader,
    Change as Change,
    Fetched as Fetched,
    Store as Store,
    StoreTraits as StoreTraits,
    ValueReader as ValueReader,
    check_key as check_key,
    check_prefix as check_prefix,
    resolve_range as resolve_range,
)
from exzarr.stores.fsspec import FsspecStore as FsspecStore
from exzarr.stores.local.store import LocalStore as LocalStore
from exzarr.stores.mapping import MappingStore as MappingStore
from exzarr.stores.memory import MemoryStore as MemoryStore
from exzarr.stores.objects.options import (
    AzureOptions as AzureOptions,
    GCSOptions as GCSOptions,
    HTTPOptions as HTTPOptions,
    S3Options as S3Options,
)
from exzarr.stores.objects.store import ObjectStore as ObjectStore
from exzarr.stores.protocols import (
    ListableStore as ListableStore,
    ReadableStore as ReadableStore,
    WritableStore as WritableStore,
)
from exzarr.stores.references.store import ReferenceStore as ReferenceStore
from exzarr.stores.resolve import Mode as Mode, StoreLike as StoreLike, resolve_store as resolve_store
from exzarr.stores.sqlite.store import SQLiteStore as SQLiteStore
from exzarr.stores.wrappers.base import Request as Request, StoreWrapper as StoreWrapper
from exzarr.stores.wrappers.caching import CachedStore as CachedStore
from exzarr.stores.wrappers.counting import CountingStore as CountingStore
from exzarr.stores.wrappers.disk_cache import DiskCache as DiskCache
from exzarr.stores.wrappers.latency import LatencyStore as LatencyStore
from exzarr.stores.wrappers.memory_cache import MemoryCache as MemoryCache
from exzarr.stores.wrappers.prefix import PrefixStore as PrefixStore
from exzarr.stores.wrappers.read_only import ReadOnlyStore as ReadOnlyStore
from exzarr.stores.wrappers.retry import RetryStore as RetryStore
from exzarr.stores.wrappers.throttle import ThrottledStore as ThrottledStore
from exzarr.stores.zarr_python.store import ZarrPythonStore as ZarrPythonStore
from exzarr.stores.zip.store import ZipStore as ZipStore

__all__: list[str]
