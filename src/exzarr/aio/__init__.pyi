from exzarr.aio.access import call as call, get as get, open as open, set as set
from exzarr.aio.ingest import ingest as ingest
from exzarr.aio.ingest_reports import ingest_reports as ingest_reports

__all__: list[str]
