"""Arrays larger than memory: chunk by chunk, slice by slice, batch by batch."""

from exzarr.stream.chunk_stream import Chunk, ChunkStream, StreamStats
from exzarr.stream.retry import Retry

__all__ = ["Chunk", "ChunkStream", "Retry", "StreamStats"]
