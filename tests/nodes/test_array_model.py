"""Any sequence of writes, resizes, appends and reopenings has the same result as with a NumPy array."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from exzarr import config
from exzarr._nodes.array import Array
from exzarr.errors import ArgumentError
from tests.breadth import examples
from tests.engine.strategies import arrays, blank, configs, picks, shapes, values_for
from tests.engine.tools import assert_same, data_for, open_array

TYPES = st.sampled_from(["i4", "f8", "u1", "M8[s]", "string", "S3"])
JSON = st.one_of(st.none(), st.integers(-5, 5), st.text(max_size=3), st.lists(st.booleans(), max_size=2))


class Model(RuleBasedStateMachine):
    array: Array
    model: np.ndarray

    @initialize(array=arrays(types=TYPES, shape=shapes.filter(lambda shape: len(shape) < 4)), chosen=configs)
    def start(self, array: Array, chosen: dict[str, Any]) -> None:
        self.array = array
        self.model = blank(array)
        self.attrs: dict[str, Any] = {}
        self.config = config.override(**chosen)
        self.config.__enter__()

    def teardown(self) -> None:
        if hasattr(self, "config"):
            self.config.__exit__(None, None, None)

    @rule(data=st.data())
    def write(self, data: Any) -> None:
        pick = data.draw(picks(self.array))
        value = data.draw(values_for(self.array, np.shape(pick.expect(self.model))))
        pick.write(self.array, value)
        pick.assign(self.model, value)

    @rule(data=st.data())
    def read(self, data: Any) -> None:
        pick = data.draw(picks(self.array))
        assert_same(pick.read(self.array), pick.expect(self.model))

    @rule(data=st.data())
    def resize(self, data: Any) -> None:
        shape = tuple([data.draw(st.integers(0, 12)) for _ in self.model.shape])
        if data.draw(st.booleans()):
            self.array.shape = shape
        else:
            self.array.resize(shape)
        kept = tuple([slice(min(old, new)) for old, new in zip(self.model.shape, shape, strict=True)])
        resized = blank(self.array)
        resized[kept] = self.model[kept]
        self.model = resized

    @precondition(lambda self: self.model.ndim)
    @rule(data=st.data(), seed=st.integers(0, 99), n=st.integers(0, 5))
    def append(self, data: Any, seed: int, n: int) -> None:
        axis = data.draw(st.integers(-self.model.ndim, self.model.ndim - 1))
        shape = [*self.model.shape]
        if shape[axis] + n > 20:
            return
        shape[axis] = n
        more = data_for(self.array, seed, tuple(shape))
        new_shape = self.array.append(more, axis=axis)
        self.model = np.concatenate([self.model, more], axis=axis)
        assert new_shape == self.model.shape

    @rule(name=st.sampled_from("abc"), value=JSON)
    def set_attribute(self, name: str, value: Any) -> None:
        self.array.attrs[name] = value
        self.attrs[name] = value

    @rule(name=st.sampled_from("abc"))
    def delete_attribute(self, name: str) -> None:
        assert (self.array.attrs.pop(name, None)) == self.attrs.pop(name, None)

    @rule(write_empty=st.booleans())
    def reopen(self, write_empty: bool) -> None:
        self.array = open_array(self.array.store, write_empty_chunks=write_empty)

    @rule()
    def refused(self) -> None:
        """Refused operations change nothing."""
        for wrong in ((*self.model.shape, 1), (-1,) * self.model.ndim if self.model.ndim else (1,)):
            try:
                self.array.resize(wrong)
            except ArgumentError:
                continue
            raise AssertionError(f"resized to {wrong}")

    @invariant()
    def equal(self) -> None:
        if hasattr(self, "model"):
            assert_same(self.array[...], self.model)
            assert dict(self.array.attrs) == self.attrs

    @invariant()
    def chunks_outside_are_gone(self) -> None:
        if hasattr(self, "model"):
            source = self.array.chunk_source
            for key in self.array.store.list():
                if not key.endswith(("zarr.json", ".zarray", ".zattrs")):
                    index = source.index(key)
                    counts = source.grid.chunk_counts
                    assert all(i < n for i, n in zip(index, counts, strict=True)), key


def test_array_behaves_like_numpy_array() -> None:
    run_state_machine_as_test(Model, settings=examples(27, stateful_step_count=15))
