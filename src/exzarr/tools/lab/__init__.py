"""Two labs: how to cut an array into chunks (`chunks`), and how to compress it (`codecs`), by trying.

`access`         how an array is read: scans, windows, single elements, batches of rows
`candidates`     layouts that are worth a look; pure
`supposed`       a store in which chunks are only supposed to be, so that plans of any size can be counted
`counts`         what reads come to under a layout: exzarr's own plan, asked
`model`          what these counts cost at some speeds; pure
`speeds`         the speeds of a machine and its store; `calibrate` measures them
`sample`         a part of the user's data, or data made up
`weighing`       candidates, weighed by the model
`measuring`      a layout, tried on the sample; `trying` which are, and what follows from it
`chunk_lab`      all of this together; `chunk_report` `chunk_words` `chunk_plot` what it gives
`codec_grid`     which codecs are tried; `codec_trial` trying one
`codec_lab`      all of this together; `codec_report` `codec_words` `codec_plot` what it gives
`pareto`         which of many are beaten by none
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exzarr.tools.lab.access import Access, Batch, Random, Scan, Window
    from exzarr.tools.lab.candidates import Layout
    from exzarr.tools.lab.chunk_lab import chunks
    from exzarr.tools.lab.chunk_report import ChunkReport
    from exzarr.tools.lab.codec_lab import codecs
    from exzarr.tools.lab.codec_report import CodecReport, Destination
    from exzarr.tools.lab.speeds import Speeds

__all__ = [
    "Access",
    "Batch",
    "ChunkReport",
    "CodecReport",
    "Destination",
    "Layout",
    "Random",
    "Scan",
    "Speeds",
    "Window",
    "chunks",
    "codecs",
]

_HOMES = {
    **dict.fromkeys(("Access", "Batch", "Random", "Scan", "Window"), "access"),
    "ChunkReport": "chunk_report",
    "CodecReport": "codec_report",
    "Destination": "codec_report",
    "Layout": "candidates",
    "Speeds": "speeds",
    "chunks": "chunk_lab",
    "codecs": "codec_lab",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return [*__all__]
