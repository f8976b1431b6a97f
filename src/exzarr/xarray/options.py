"""The keywords of the engine, as one object."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from exzarr.errors import ArgumentError

__all__ = ["OpenOptions"]


@dataclass(frozen=True, kw_only=True)
class OpenOptions:
    """Keywords of ``xarray.open_dataset`` and its kin for ``engine="exzarr"``.

    Attributes
    ----------
    mask_and_scale, decode_times, concat_characters, decode_coords, use_cftime, decode_timedelta
        How values are decoded by the CF conventions; see ``xarray.open_dataset``.
    drop_variables
        Names of arrays to leave out. Their documents are not parsed.
    group
        Path of the group. None is the root.
    mode
        ``"r"``. Datasets are read-only.
    consolidated
        None uses consolidated metadata if it exists, False ignores it, True requires it.
    storage_options, zarr_format
        As for `exzarr.open_group`.
    use_zarr_fill_value_as_mask
        True masks elements that equal the fill value of the array. None is True for Zarr v2 and False for v3.
    prefer_shards
        With ``chunks={}``, arrays that have shards get one dask chunk per shard. By default they get one per inner
        chunk, as with ``engine="zarr"``.
    """

    mask_and_scale: Any = True
    decode_times: Any = True
    concat_characters: Any = True
    decode_coords: Any = True
    drop_variables: str | Iterable[str] | None = None
    use_cftime: Any = None
    decode_timedelta: Any = None
    group: str | None = None
    mode: Literal["r"] = "r"
    consolidated: bool | None = None
    storage_options: Any = None
    zarr_format: Literal[2, 3] | None = None
    use_zarr_fill_value_as_mask: bool | None = None
    prefer_shards: bool = False

    def __post_init__(self) -> None:
        if self.mode != "r":
            raise ArgumentError(
                f"engine='exzarr' opens datasets for reading, so mode is 'r', not {self.mode!r}: "
                "exzarr.xarray.to_zarr writes"
            )

    @property
    def decoding(self) -> dict[str, Any]:
        """The keywords of ``StoreBackendEntrypoint.open_dataset``."""
        return {
            "mask_and_scale": self.mask_and_scale,
            "decode_times": self.decode_times,
            "concat_characters": self.concat_characters,
            "decode_coords": self.decode_coords,
            "drop_variables": [*self.dropped],
            "use_cftime": self.use_cftime,
            "decode_timedelta": self.decode_timedelta,
        }

    @property
    def dropped(self) -> frozenset[str]:
        """Names of arrays to leave out."""
        names = self.drop_variables
        return frozenset([names] if isinstance(names, str) else names or ())
