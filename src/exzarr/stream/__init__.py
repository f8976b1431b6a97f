"""Arrays larger than memory: chunk by chunk, slice by slice, batch by batch."""

from exzarr.retrying import Retry
from exzarr.stream.chunk_stream import Chunk, ChunkStream
from exzarr.stream.slice_stream import Slice, SliceStream
from exzarr.stream.stream import StreamStats

__all__ = ["Chunk", "ChunkStream", "Retry", "Slice", "SliceStream", "StreamStats"]
