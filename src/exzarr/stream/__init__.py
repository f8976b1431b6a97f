"""Arrays larger than memory: chunk by chunk, slice by slice, batch by batch."""

from exzarr.retrying import Retry
from exzarr.stream.chunk_stream import Chunk, ChunkStream
from exzarr.stream.slice_stream import Slice, SliceStream
from exzarr.stream.stream import StreamStats
from exzarr.stream.write_stream import WriteReport
from exzarr.stream.writer import FailedWrite

__all__ = [
    "Chunk",
    "ChunkStream",
    "FailedWrite",
    "Retry",
    "Slice",
    "SliceStream",
    "StreamStats",
    "WriteReport",
]
