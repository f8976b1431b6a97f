from exzarr.lab.access import (
    Access as Access,
    Batch as Batch,
    Random as Random,
    Scan as Scan,
    Window as Window,
)
from exzarr.lab.candidates import Layout as Layout
from exzarr.lab.chunk_lab import chunks as chunks
from exzarr.lab.chunk_report import ChunkReport as ChunkReport
from exzarr.lab.codec_lab import codecs as codecs
from exzarr.lab.codec_report import CodecReport as CodecReport, Destination as Destination
from exzarr.lab.speeds import Speeds as Speeds

__all__: list[str]
