"""zarr-python's settings, ``zarr.config``, and the settings of one array, ``Array.config``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, NoReturn, Self

from exzarr import config as ours
from exzarr.errors import ArgumentError, UnsupportedError
from exzarr.zarr.errors import warn

__all__ = ["ArrayConfig", "Config", "access_options", "config"]

_DEFAULTS: dict[str, Any] = {
    "default_zarr_format": 3,
    "array.order": "C",
    "array.write_empty_chunks": False,
    "array.read_missing_chunks": True,
    "array.target_shard_size_bytes": None,
    "array.rectilinear_chunks": True,
    "array.sharding_coalesce_max_gap_bytes": 16 * 1024,
    "array.sharding_coalesce_max_bytes": 4 * 1024 * 1024,
    "array.allow_unsafe_pickle_decode": False,
    "async.concurrency": 64,
    "async.timeout": None,
    "threading.max_workers": None,
    "json_indent": 2,
}
_OURS = {
    "array.allow_unsafe_pickle_decode": "allow_pickle",
    "array.sharding_coalesce_max_gap_bytes": "coalesce_gap",
    "array.sharding_coalesce_max_bytes": "coalesce_max",
    "async.concurrency": "requests",
    "threading.max_workers": "workers",
}

_IN_USE = {
    "default_zarr_format", "array.order", "array.write_empty_chunks", "array.read_missing_chunks", *_OURS,
}  # fmt: skip


class Config:
    """Settings by zarr-python's names: ``zarr.config.set({"array.order": "F"})``, also as a context manager.

    Settings that exzarr has by another name (``threading.max_workers``: ``exzarr.config.workers``) change that one.
    Settings without a counterpart, such as ``codec_pipeline.path``, are kept and have no effect. Changing them issues a
    warning.
    """

    def __init__(self) -> None:
        self._values = dict(_DEFAULTS)

    def get(self, key: str, default: Any = ..., override_with: Any = None) -> Any:
        """Return the setting `key`, or a dict of the settings below ``key.``."""
        if override_with is not None:
            return override_with
        if key in self._values:
            return self._values[key]
        below = {
            name.removeprefix(f"{key}."): value
            for name, value in self._values.items()
            if name.startswith(f"{key}.")
        }
        if below:
            return below
        if default is ...:
            raise KeyError(key)
        return default

    def set(self, changes: Mapping[str, Any] | None = None, **more: Any) -> _Changed:
        """Change settings. As a context manager: until the end of the block."""
        before = dict(self._values)
        changed = {**_flat(changes or {}), **_flat({k.replace("__", "."): v for k, v in more.items()})}
        self._apply({**before, **changed})
        idle = [key for key in changed if key not in _IN_USE and changed[key] != before.get(key)]
        if idle:
            warn(f"settings without effect in exzarr: {', '.join(idle)}", RuntimeWarning)
        return _Changed(self, before)

    update = set  # noqa: A003 - the method

    def reset(self) -> None:
        """Restore the defaults."""
        self._apply(_DEFAULTS)

    def refresh(self) -> None:
        """Do nothing: exzarr reads no files of settings."""

    def enable_gpu(self) -> NoReturn:
        """Refuse: exzarr reads into NumPy arrays."""
        raise UnsupportedError(
            "exzarr.zarr reads into NumPy arrays: read with a prototype= of zarr-python for copies in another memory, or "
            "import zarr itself, whose own pipeline reads into the memory of a GPU also after exzarr.zarr.enable()"
        )

    def _apply(self, values: dict[str, Any]) -> None:
        ArrayConfig(
            *[values[f"array.{name}"] for name in ("order", "write_empty_chunks", "read_missing_chunks")]
        )
        changes = {
            field: 0 if values[name] is None else values[name]
            for name, field in _OURS.items()
            if values[name] != self._values[name]
        }
        if changes:
            ours.set(**changes)
        self._values = dict(values)

    def to_dict(self) -> dict[str, Any]:
        """Return all settings by name."""
        return dict(self._values)


class _Changed:
    def __init__(self, changed: Config, before: dict[str, Any]) -> None:
        self._config = changed
        self._before = before

    def __enter__(self) -> Config:
        return self._config

    def __exit__(self, *_: object) -> None:
        self._config._apply(self._before)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


config = Config()
"""zarr-python's settings."""


@dataclass(frozen=True)
class ArrayConfig:
    """Settings of one open array: zarr-python's names for the access options of exzarr.

    Attributes
    ----------
    order
        Memory order of the arrays that reading returns: ``memory_order``.
    write_empty_chunks
        Store chunks that hold only the fill value.
    read_missing_chunks
        False: reading a chunk that is not stored raises an error (``missing="error"``).
    sharding_coalesce_max_gap_bytes, sharding_coalesce_max_bytes
        Of no effect for a single array: see ``coalesce_gap`` and ``coalesce_max`` of `exzarr.config`.
    """

    order: Literal["C", "F"] = "C"
    write_empty_chunks: bool = False
    read_missing_chunks: bool = True
    sharding_coalesce_max_gap_bytes: int = 16 * 1024
    sharding_coalesce_max_bytes: int = 4 * 1024 * 1024

    def __post_init__(self) -> None:
        if self.order not in ("C", "F"):
            raise ArgumentError(f"order is 'C' or 'F', not {self.order!r}")
        for name in ("write_empty_chunks", "read_missing_chunks"):
            if not isinstance(value := getattr(self, name), bool):
                raise ArgumentError(f"Expected instance of bool for {name}, got {value!r}")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the settings in `data`; those that it lacks are taken from `config`."""
        names = [field.name for field in fields(cls)]
        if unknown := sorted(set(data) - set(names)):
            raise TypeError(f"Unknown array config keys: {unknown}. Valid keys are {names}.")
        return cls(**{name: data.get(name, config.get(f"array.{name}")) for name in names})

    def to_dict(self) -> dict[str, Any]:
        """Return the settings by name."""
        return asdict(self)


def access_options(given: Any) -> Iterator[tuple[str, Any]]:
    """Iterate over exzarr's keywords for the argument ``config=`` and the settings of the process."""
    if given is None:
        given = {}
    elif not isinstance(given, Mapping):
        given = {
            field.name: getattr(given, field.name)
            for field in fields(ArrayConfig)
            if hasattr(given, field.name)
        }
    chosen = ArrayConfig.from_dict(given)
    if "order" in given or chosen.order != "C":
        yield "memory_order", chosen.order
    if "write_empty_chunks" in given or chosen.write_empty_chunks:
        yield "write_empty_chunks", chosen.write_empty_chunks
    if not chosen.read_missing_chunks:
        yield "missing", "error"
