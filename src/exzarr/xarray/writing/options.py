"""The keywords of `to_zarr`, as one object."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from exzarr.errors import ArgumentError

__all__ = ["Region", "WriteKeywords", "WriteMode", "WriteOptions"]

WriteMode = Literal["w", "w-", "a", "a-", "r+"]
Region = Mapping[Hashable, slice | Literal["auto"]] | Literal["auto"]


class WriteKeywords(TypedDict, total=False):
    """The keywords of `to_zarr` after `encoding`."""

    compute: bool
    consolidated: bool | None
    append_dim: Hashable | None
    region: Region | None
    safe_chunks: bool
    align_chunks: bool
    storage_options: Any
    zarr_format: Literal[2, 3] | None
    write_empty_chunks: bool | None
    chunkmanager_store_kwargs: dict[str, Any] | None
    key: str | None
    write_inherited_coords: bool


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """How a dataset is written; see `to_zarr`. `WriteOptions.of` fills in the mode."""

    mode: WriteMode
    append_dim: Hashable | None
    region: Region | None
    key: str | None
    compute: bool
    consolidated: bool | None
    align_chunks: bool
    zarr_format: Literal[2, 3] | None
    write_empty_chunks: bool | None
    storage_options: Any
    store_kwargs: dict[str, Any] | None

    @classmethod
    def of(cls, *, mode: Any, append_dim: Any, region: Any, key: Any, **options: Any) -> WriteOptions:
        """Return the options with the default mode filled in; raise ArgumentError if they contradict each other."""
        if mode is None:
            mode = "a" if append_dim is not None else "r+" if region is not None else "w-"
        if mode not in ("w", "w-", "a", "a-", "r+"):
            raise ArgumentError(
                f"The only supported options for mode are 'w', 'w-', 'a', 'a-' and 'r+', but mode={mode!r}"
            )
        if append_dim is not None and mode not in ("a", "a-"):
            raise ArgumentError(
                f"cannot set append_dim unless mode='a', mode='a-' or mode=None, but mode={mode!r}"
            )
        if region is not None and mode not in ("a", "a-", "r+"):
            raise ArgumentError(
                f"cannot set region unless mode='a', mode='a-', mode='r+' or mode=None, but mode={mode!r}"
            )
        if key is not None and append_dim is None:
            raise ArgumentError("key makes an append exactly-once: it requires append_dim")
        return cls(mode=mode, append_dim=append_dim, region=region, key=key, **options)

    @property
    def creates(self) -> bool:
        """True if the store is new, or replaced."""
        return self.mode in ("w", "w-")

    @property
    def consolidates(self) -> bool:
        """True if consolidated metadata is written at the end."""
        return self.mode != "r+" and self.consolidated is not False
