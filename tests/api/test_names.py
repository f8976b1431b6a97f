"""The package has zarr-python's names, independent of the order of imports."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from inspect import signature, unwrap
from typing import Any

import pytest
import zarr

import exzarr

RunPython = Callable[..., subprocess.CompletedProcess[str]]

# Arguments without a meaning in exzarr: chunk stores, synchronizers, runtime configuration.
LEFT_OUT = {
    "cache_attrs", "cache_metadata", "chunk_store", "config", "kwargs", "meta_array", "mode", "object_codec",
    "read_only", "synchronizer", "zarr_version",
}  # fmt: skip


def parameters(function: Any) -> set[str]:
    found = set()
    for name, parameter in signature(function).parameters.items():
        annotation = str(parameter.annotation)
        if annotation.startswith("Unpack["):
            options = unwrap(function).__globals__[annotation[len("Unpack[") : -1]]
            found |= set(options.__annotations__)
        else:
            found.add(name)
    return found


@pytest.mark.parametrize("name", [
    "array", "consolidate_metadata", "create", "create_array", "create_group", "create_hierarchy", "empty",
    "empty_like", "from_array", "full", "full_like", "group", "load", "ones", "ones_like", "open", "open_array",
    "open_group", "open_like", "save", "save_array", "save_group", "tree", "zeros", "zeros_like",
])  # fmt: skip
def test_functions_take_zarr_python_s_arguments(name: str) -> None:
    ours, theirs = parameters(getattr(exzarr, name)), set(signature(getattr(zarr, name)).parameters)
    assert theirs - ours <= LEFT_OUT


def test_groups_and_arrays_have_zarr_python_s_members() -> None:
    left_out = {
        "array", "async_array", "compressor", "config", "create", "create_dataset", "create_hierarchy", "from_dict", "from_store",
        "info_items", "open", "require_dataset", "store_path", "synchronizer", "update_attributes_async",
        "empty", "empty_like", "full", "full_like", "ones", "ones_like", "zeros", "zeros_like", "rename", "with_config",
    }  # fmt: skip
    for ours, theirs in ((exzarr.Array, zarr.Array), (exzarr.Group, zarr.Group)):
        names = {name for name in dir(theirs) if not name.startswith("_")}
        assert names - set(dir(ours)) <= left_out


@pytest.mark.parametrize("first", ["_nodes.array", "_nodes.group", "_api", "_nodes.info", "_nodes.resize"])
def test_functions_are_not_hidden_by_modules_of_the_same_name(run_python: RunPython, first: str) -> None:
    source = f"""
import exzarr.{first}
import exzarr._nodes.array, exzarr._nodes.group
from exzarr._nodes.array import Array
assert exzarr.array([1, 2]).shape == (2,)
assert len(exzarr.group()) == 0
assert isinstance(exzarr.array([1]), Array) and exzarr.Array is Array
"""
    done = run_python(source)
    assert done.returncode == 0, done.stderr


def test_unknown_name_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        exzarr.nothing  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(exzarr, "_nothing")
    assert exzarr.config.get().workers >= 1
    assert exzarr.codecs.Zstd().name == "zstd"
    assert exzarr.errors.ExzarrError is exzarr.ExzarrError
