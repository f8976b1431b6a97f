from exzarr.chunks.access import ChunkAccess as ChunkAccess
from exzarr.chunks.selections import ChunkSelections as ChunkSelections

__all__: list[str]
