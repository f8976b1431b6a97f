"""Dead letters: blocks that could not be stored, kept in a folder with the reason."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from exzarr._stream.ingest.blocks import Numbered
from exzarr.errors import IngestError
from exzarr.stores.local.write import replace_file

__all__ = ["DeadLetter", "DeadLetters", "dead_letters"]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One block that was left out.

    Attributes
    ----------
    path
        JSON file with the other attributes.
    key, number, position
        Key of the source, number of the block (from 0), and the source's position after the block.
    region
        Region it was meant for, as ``[start, stop]`` per dimension. None: it was to be appended.
    error
        Reason why it was left out.
    when
        Time in ISO 8601, UTC.
    """

    path: Path
    key: str
    number: int
    position: Any
    region: list[list[int | None]] | None
    error: str
    when: str

    def data(self) -> Any:
        """Return the block: an array, or a dict of arrays. Raise IngestError if its data was not kept."""
        data_file = self.path.with_suffix(".npz")
        if not data_file.exists():
            raise IngestError(f"{self.path} has no data file: NumPy could not store the block")
        with np.load(data_file, allow_pickle=False) as found:
            arrays = {name.removeprefix("="): found[name] for name in found.files}
        return arrays.get("") if [*arrays] == [""] else arrays


class DeadLetters:
    """Folder for the dead letters of one source."""

    __slots__ = ("_folder", "_key")

    def __init__(self, folder: str | os.PathLike[str], key: str) -> None:
        self._folder = Path(folder)
        self._key = key

    def put(self, block: Numbered, error: BaseException) -> None:
        """Keep `block`. A second put of the same block, after a crash, replaces the first."""
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{re.sub('[^A-Za-z0-9._-]', '_', self._key)}-{block.number:08}"
        region = block.block.region
        letter = {
            "key": self._key,
            "number": block.number,
            "position": block.position,
            "region": None if region is None else [[part.start, part.stop] for part in region],
            "error": f"{type(error).__name__}: {error}",
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self._keep_data(self._folder / f"{name}.npz", block.block.data)
        text = json.dumps(letter, indent=2, default=repr)
        replace_file(f"{self._folder.resolve().as_posix()}/{name}.json", text.encode())

    def _keep_data(self, path: Path, data: Any) -> None:
        named = data if isinstance(data, Mapping) else {"": data}
        try:
            arrays = {f"={name}": np.asarray(part) for name, part in named.items()}
            if any(array.dtype.hasobject for array in arrays.values()):
                return  # NumPy would pickle them
            aside = path.with_suffix(".part.npz")
            np.savez(aside, **arrays)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return
        aside.replace(path)


def dead_letters(folder: str | os.PathLike[str]) -> Iterator[DeadLetter]:
    """Yield the dead letters in a `dead_letter` folder of `exzarr.ingest`, by source and number."""
    for path in sorted(Path(folder).glob("*.json")):
        try:
            yield DeadLetter(path, **json.loads(path.read_text(encoding="utf-8")))
        except (TypeError, ValueError) as error:
            raise IngestError(f"{path} is not a dead letter: {error}") from error
