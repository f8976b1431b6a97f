from exzarr.aio.access import call as call, get as get, open as open, set as set
from exzarr.aio.ingest import ingest as ingest

__all__: list[str]
