"""`exzarr.zarr` with zarr-python's names: what differs from exzarr's own."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest

import exzarr
import exzarr.zarr as zarr


def test_import_does_not_import_zarr_python() -> None:
    code = "import sys, exzarr.zarr as zarr; zarr.open, zarr.Group, zarr.codecs, zarr.dtype; print('zarr' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


@pytest.mark.parametrize("function", ["zeros", "ones", "empty"])
def test_groups_create_filled_arrays(function: str) -> None:
    group = zarr.group()
    array = getattr(group, function)(name="a", shape=(3,), dtype="i4")
    like = getattr(group, f"{function}_like")(name="b", data=array)
    assert isinstance(array, zarr.Array)
    assert array.path == "a"
    assert like[:].tolist() == array[:].tolist() == [1 if function == "ones" else 0] * 3


def test_group_full_and_full_like() -> None:
    group = zarr.group()
    array = group.full(name="a/b", shape=(2,), fill_value=7, dtype="i2")
    assert group.full_like(name="c", data=array, fill_value=8)[:].tolist() == [8, 8]
    assert group.get_array("a/b")[:].tolist() == [7, 7]


def test_nodes_of_groups_have_the_drop_in_classes() -> None:
    root = zarr.group()
    root.create_group("g").create_array("a", shape=(2,), dtype="i4")
    assert isinstance(root["g"], zarr.Group)
    assert isinstance(root["g/a"], zarr.Array)
    assert [path for path, _ in root.members(max_depth=None)] == ["g", "g/a"]
    with pytest.raises(ValueError, match="max_depth"):
        root.members(max_depth=-1)


def test_config_sets_order_and_empty_chunks() -> None:
    array = zarr.create_array({}, shape=(2, 3), dtype="i4", config={"order": "F", "write_empty_chunks": True})
    array[:] = 0
    assert array.config.order == "F"
    assert array.order == "F"
    assert array[:].flags.f_contiguous
    assert array.nbytes_stored() > 0
    assert array.with_config({"order": "C"})[:].flags.c_contiguous


def test_missing_chunks_raise_if_the_config_says_so() -> None:
    store = exzarr.MemoryStore()
    zarr.create_array(store, shape=(2,), dtype="i4")
    array = zarr.open_array(store, config={"read_missing_chunks": False})
    with pytest.raises(zarr.errors.ChunkNotFoundError):
        array[:]


def test_settings_apply_to_new_arrays_until_the_end_of_the_block() -> None:
    with zarr.config.set(
        {"array.order": "F", "default_zarr_format": 2, "array": {"write_empty_chunks": True}}
    ):
        array = zarr.create((2, 2))
        assert array.zarr_format == 2
        assert array.config.write_empty_chunks
    assert zarr.create((2, 2)).zarr_format == 3
    assert zarr.config.get("array.order") == "C"


def test_settings_of_exzarr_change_with_those_of_zarr_python() -> None:
    before = exzarr.config.get().workers
    with zarr.config.set({"threading.max_workers": before + 1}):
        assert exzarr.config.get().workers == before + 1
    assert exzarr.config.get().workers == before


def test_dicts_are_stores() -> None:
    values: dict[str, bytes] = {}
    zarr.create_array(values, shape=(2,), dtype="i4")[:] = 1
    assert sorted(values) == ["c/0", "zarr.json"]
    assert zarr.open_array(values, mode="r")[:].tolist() == [1, 1]


def test_store_path_names_the_place() -> None:
    group = zarr.group().create_group("a")
    array = group.create_array("b", shape=(1,), dtype="i4")
    assert array.store_path == group.store_path / "b"
    assert zarr.Array.open(array.store_path) == array


def test_writes_cast_as_in_zarr_python() -> None:
    array = zarr.create_array({}, shape=(4,), dtype="u1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array[:] = np.array([1.7, 2.2, 3.0, 4.0])
        array.oindex[[0]] = 257
    assert array[:].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("base", [TypeError, ValueError, exzarr.NodeTypeError])
def test_nodes_of_the_wrong_type_raise_what_both_libraries_raise(base: type[Exception]) -> None:
    root = zarr.group()
    root.create_group("g")
    with pytest.raises(base):
        zarr.open_array(root.store, path="g", mode="r")


def test_children_of_arrays_raise_a_value_error() -> None:
    root = zarr.group()
    root.create_array("a", shape=(1,), dtype="i4")
    with pytest.raises(ValueError, match="no children"):
        root.create_group("a/b")


def test_missing_nodes_raise_the_errors_of_their_kind() -> None:
    with pytest.raises(zarr.errors.ArrayNotFoundError):
        zarr.open_array({}, mode="r")
    with pytest.raises(zarr.errors.GroupNotFoundError):
        zarr.open_group({}, mode="r")


def test_open_creates_a_group_by_default(tmp_path) -> None:
    assert isinstance(zarr.open(tmp_path / "new"), zarr.Group)


def test_data_types_by_name() -> None:
    assert zarr.create_array({}, shape=1, dtype=zarr.dtype.Int16()).dtype == "i2"
    assert (
        zarr.create_array({}, shape=1, dtype=zarr.dtype.VariableLengthUTF8()).metadata.data_type.v3
        == "string"
    )


def test_data_types_of_zarr_python() -> None:
    theirs = pytest.importorskip("zarr.dtype")
    assert zarr.create_array({}, shape=1, dtype=theirs.Float32()).dtype == "f4"


def test_fields_of_structured_types() -> None:
    array = zarr.create_array({}, shape=(2,), dtype=[("x", "i4"), ("y", "f8")])
    array.set_basic_selection(slice(None), 3, fields="x")
    assert array.get_basic_selection(slice(None), fields="x").tolist() == [3, 3]
    assert array.get_orthogonal_selection([0], fields="x").tolist() == [3]


def test_hierarchies_below_a_group() -> None:
    group = zarr.group().create_group("g")
    made = dict(group.create_hierarchy({"a": exzarr.array_metadata(shape=(2,), dtype="i4")}))
    assert made["a"].path == "g/a"


def test_tree_is_printed_as_by_zarr_python() -> None:
    root = zarr.group()
    root.create_array("a/b", shape=(2,), dtype="f8")
    assert str(root.tree()) == "/\n└── a\n    └── b (2,) float64\n"


def test_codecs_have_zarr_pythons_names() -> None:
    array = zarr.create_array({}, shape=(4,), dtype="i4", compressors=zarr.codecs.GzipCodec(level=3))
    assert array.compressors == (zarr.codecs.GzipCodec(level=3),)
    assert array.compressors[0].to_dict() == {"name": "gzip", "configuration": {"level": 3}}


def test_table_of_names_in_the_guide() -> None:
    """Names that only other versions of zarr-python have may be missing in the page, or be in it."""
    pytest.importorskip("zarr")
    from tests.zarr.names_table import documented, table

    written = dict(
        zip(
            *[[line.split(" | ")[0] for line in documented().splitlines()], documented().splitlines()],
            strict=True,
        )
    )
    for line in table().splitlines():
        title, has, lacks = line.strip("| ").split(" | ")
        page = written["| " + title].strip("| ").split(" | ")
        for names, other in ((has, page[2]), (lacks, page[1])):
            assert not set(names.split(", ")) & set(other.split(", ")) - {"-", "---"}, title


@pytest.mark.parametrize(
    ("method", "selection"),
    [
        ("get_basic_selection", slice(0, 2)),
        ("get_orthogonal_selection", slice(0, 2)),
        ("get_coordinate_selection", [0, 1]),
        ("get_mask_selection", [True, True, False, False]),
        ("get_block_selection", 0),
    ],
)
def test_fields_are_read_into_out(method: str, selection: Any) -> None:
    data = np.array([(1, 1.5), (2, 2.5), (3, 3.5), (4, 4.5)], [("a", "i4"), ("b", "f8")])
    array = zarr.array(data, chunks=(2,))
    out = np.zeros(2)
    getattr(array, method)(
        np.asarray(selection) if isinstance(selection, list) else selection, fields="b", out=out
    )
    assert out.tolist() == [1.5, 2.5]


# -- arguments of zarr-python ------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["basic", "orthogonal", "coordinate", "block"])
def test_explicit_casting_is_obeyed(how: str) -> None:
    array = zarr.create_array({}, shape=(4,), chunks=(1,), dtype="i4")
    write = getattr(array, f"set_{how}_selection")
    with pytest.raises(exzarr.ArgumentError, match="not an integer"):
        write(0, 1.5, casting="same_kind")
    write(0, 1.5)
    assert array[:].tolist() == [1, 0, 0, 0]


def test_brackets_cast_as_zarr_python_does_and_the_own_methods_as_exzarr_does() -> None:
    array = zarr.create_array({}, shape=(4,), dtype="i4")
    array[0] = 1.5
    array.oindex[[1]] = 2.5
    array.vindex[[2]] = 3.5
    assert array[:].tolist() == [1, 2, 3, 0]
    with pytest.raises(exzarr.ArgumentError):
        array.set(0, 1.5)


@pytest.mark.parametrize(
    ("method", "selection"),
    [("basic", slice(1, 3)), ("orthogonal", [1, 2]), ("coordinate", [1, 2]), ("block", slice(1, 3))],
)
def test_prototypes_decide_the_class_of_what_is_read_and_written(method: str, selection: Any) -> None:
    buffer = pytest.importorskip("zarr.core.buffer")
    testing = pytest.importorskip("zarr.testing.buffer")
    prototype = buffer.BufferPrototype(testing.TestBuffer, testing.NDBufferUsingTestNDArrayLike)
    array = zarr.array(np.arange(4), chunks=(1,))
    found = getattr(array, f"get_{method}_selection")(selection, prototype=prototype)
    assert type(found) is testing.TestNDArrayLike
    assert found.tolist() == [1, 2]
    getattr(array, f"set_{method}_selection")(selection, found + 5, prototype=prototype)
    assert array[:].tolist() == [0, 6, 7, 3]
    plain = getattr(array, f"get_{method}_selection")(selection, prototype=buffer.default_buffer_prototype())
    assert type(plain) is np.ndarray


def test_invalid_prototypes_are_refused() -> None:
    array = zarr.array(np.arange(4))
    with pytest.raises(exzarr.ArgumentError, match="BufferPrototype"):
        array.get_basic_selection(0, prototype="gpu")
    with pytest.raises(exzarr.ArgumentError, match="BufferPrototype"):
        array.set_basic_selection(0, 1, prototype="gpu")
    assert array[0] == 0


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_arrays_from_metadata(zarr_format: Any, tmp_path: Any) -> None:
    theirs = pytest.importorskip("zarr")
    array = theirs.create_array(
        tmp_path / "a.zarr", shape=(4,), dtype="f4", zarr_format=zarr_format, attributes={"x": 1}
    )
    array[:] = 2
    made = zarr.Array.from_dict(
        zarr.storage.StorePath(exzarr.LocalStore(tmp_path), "a.zarr"), array.metadata.to_dict()
    )
    assert (made.path, made.zarr_format, made.attrs.asdict()) == ("a.zarr", zarr_format, {"x": 1})
    made[0] = 3
    assert array[:].tolist() == [3, 2, 2, 2]
    with pytest.raises(exzarr.MetadataError):
        zarr.Array.from_dict(made.store_path, {"zarr_format": 3, "node_type": "array"})


def test_old_names_of_group_methods_warn() -> None:
    group = zarr.group()
    with pytest.warns(zarr.errors.ZarrDeprecationWarning, match="create_array"):
        made = group.create_dataset("a", data=np.arange(3), shape=(3,))
    with pytest.warns(zarr.errors.ZarrDeprecationWarning, match="require_array"):
        assert group.require_dataset("a", shape=(3,), dtype=made.dtype) == made
    with pytest.warns(zarr.errors.ZarrDeprecationWarning, match="create_array"):
        assert group.array("b", shape=(3,), dtype="i4").shape == (3,)


def test_warnings_name_the_line_of_the_caller() -> None:
    with pytest.warns(RuntimeWarning, match="synchronizer has no effect") as caught:
        zarr.open({}, synchronizer=object())
    if sys.version_info >= (3, 12):
        assert caught[0].filename == __file__


def test_zarr_version_is_the_former_name_of_zarr_format() -> None:
    store = exzarr.MemoryStore()
    for create in (
        lambda: zarr.create((4,), store=store, path="a", zarr_version=2),
        lambda: zarr.zeros((4,), store=store, path="b", zarr_version=2),
        lambda: zarr.open(store, path="c", mode="w", shape=(4,), zarr_version=2),
        lambda: zarr.open_array(store, path="a", zarr_version=2),
        lambda: zarr.open_group(store, path="d", zarr_version=2),
        lambda: zarr.group(store, path="d", zarr_version=2),
        lambda: zarr.create_group(store, path="e", zarr_version=2),
        lambda: zarr.create_array(store, name="f", shape=(4,), dtype="i4", zarr_version=2),
    ):
        with pytest.warns(zarr.errors.ZarrDeprecationWarning, match="use zarr_format"):
            assert create().zarr_format == 2
    for save in (zarr.save, zarr.save_array, zarr.save_group):
        with pytest.warns(zarr.errors.ZarrDeprecationWarning, match="use zarr_format"):
            save(store, np.arange(4), path=save.__name__, zarr_version=2)
        assert zarr.open(store, path=save.__name__).zarr_format == 2
    with pytest.warns(zarr.errors.ZarrDeprecationWarning, match="use zarr_format"):
        assert zarr.load(store, path="save_array", zarr_version=2).tolist() == [0, 1, 2, 3]
    assert zarr.create((4,), zarr_version=None).zarr_format == 3
    with pytest.raises(exzarr.ArgumentError, match="does not match"):
        zarr.open(store, path="a", zarr_version=3, zarr_format=2)


def test_version_is_that_of_the_interface() -> None:
    assert zarr.__version__.startswith("3.")


def test_settings_without_effect_issue_a_warning() -> None:
    before = zarr.config.to_dict()
    with (
        pytest.warns(RuntimeWarning, match=r"without effect in exzarr: json_indent, codecs\.mine$"),
        zarr.config.set({"json_indent": 4, "array.order": "F", "codecs": {"mine": "tests.Mine"}}),
    ):
        assert zarr.config.get("codecs.mine") == "tests.Mine"
    assert zarr.config.to_dict() == before
    with zarr.config.set({"json_indent": 2, "array.rectilinear_chunks": True}):  # the defaults
        pass


@pytest.mark.parametrize(
    "change",
    [
        {"array.order": "Z"},
        {"array.write_empty_chunks": 3},
        {"threading.max_workers": "many", "async.concurrency": 3},
    ],
)
def test_invalid_settings_change_nothing(change: Any) -> None:
    before, ours = zarr.config.to_dict(), exzarr.config.get()
    with pytest.raises(exzarr.ArgumentError):
        zarr.config.set(change)
    assert zarr.config.to_dict() == before
    assert exzarr.config.get() == ours


def test_gpu_buffers_are_refused() -> None:
    with pytest.raises(exzarr.UnsupportedError, match="NumPy arrays"):
        zarr.config.enable_gpu()


def test_depths_are_numbers() -> None:
    with pytest.raises(exzarr.ArgumentError, match="max_depth"):
        zarr.group().members(max_depth="all")  # type: ignore[arg-type]
