"""Any sequence of operations has the same effect on a store as on a dict."""

from __future__ import annotations

import shutil
import tempfile

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from exzarr.stores.local.store import LocalStore
from exzarr.stores.memory import MemoryStore
from exzarr.stores.wrappers.prefix import PrefixStore
from exzarr.stores.zip.store import ZipStore
from tests.breadth import examples

# No key is the prefix of another: a folder cannot store both. '-' and '0' sort directly before and after '/'.
folders = st.sampled_from(["a", "a-", "a0", "b/c", "é"])
keys = st.builds(
    "{}/{}/{}".format, folders, st.sampled_from(["x", "x-"]), st.sampled_from(["0", ".z", "1 2"])
)
prefixes = st.one_of(st.just(""), folders, keys, st.sampled_from(["b", "a/x", "a/x-", "nothing"]))
values = st.one_of(
    st.binary(max_size=20), st.integers(0, 1 << 16).map(lambda n: b"0123456789abcdef" * (n >> 4))
)


class Model(RuleBasedStateMachine):
    def make(self, folder):
        raise NotImplementedError

    @initialize()
    def start(self):
        self.folder = tempfile.mkdtemp()
        self.store = self.make(self.folder)
        self.model: dict[str, bytes] = {}

    def teardown(self):
        self.store.close()
        shutil.rmtree(self.folder)

    @rule(key=keys, value=values, kind=st.sampled_from([bytes, bytearray, memoryview]))
    def put(self, key, value, kind):
        self.store.put(key, kind(value))
        self.model[key] = value

    @rule(key=keys)
    def delete(self, key):
        self.store.delete(key)
        self.model.pop(key, None)

    @rule(prefix=prefixes)
    def delete_prefix(self, prefix):
        self.store.delete_prefix(prefix)
        for key in self.under(prefix):
            del self.model[key]

    @rule(key=keys, start=st.integers(-30, 30), length=st.none() | st.integers(0, 30))
    def get_range(self, key, start, length):
        found = self.store.get(key, (start, length))
        if key not in self.model:
            assert found is None
            return
        value = self.model[key]
        rest = value[start:] if start >= 0 or -start <= len(value) else value
        assert bytes(found) == (rest if length is None else rest[:length])

    @rule(key=keys, start=st.integers(0, 30), length=st.integers(0, 1 << 17))
    def read_into(self, key, start, length):
        buffer = memoryview(bytearray(length))
        n = self.store.read_into(key, buffer, start)
        if key not in self.model:
            assert n == -1
            return
        expected = self.model[key][start:]
        assert buffer[: len(expected)] == expected[:length]
        if len(expected) > length:
            assert n > length
        else:
            assert n == len(expected)

    @rule(prefix=prefixes)
    def list(self, prefix):
        assert sorted(self.store.list(prefix)) == sorted(self.under(prefix))

    @rule(prefix=prefixes)
    def list_dir(self, prefix):
        rests = [key[len(prefix) + 1 if prefix else 0 :].partition("/") for key in self.under(prefix)]
        keys, prefixes = self.store.list_dir(prefix)
        assert [*keys] == sorted({name for name, slash, _ in rests if not slash})
        expected = {name for name, slash, _ in rests if slash}
        assert [*prefixes] == sorted(prefixes)
        # A store that has folders may name empty ones.
        assert {*prefixes} >= expected
        for name in {*prefixes} - expected:
            assert [*self.store.list(f"{prefix}/{name}" if prefix else name)] == []

    @invariant()
    def holds_what_the_model_holds(self):
        if not hasattr(self, "model"):
            return
        for key, value in self.model.items():
            assert bytes(self.store.get(key)) == value
            assert self.store.size(key) == len(value)

    def under(self, prefix):
        return [key for key in self.model if not prefix or key.startswith(prefix + "/")]


class Local(Model):
    def make(self, folder):
        return LocalStore(folder)


class Memory(Model):
    def make(self, folder):
        return MemoryStore()


class Zip(Model):
    def make(self, folder):
        return ZipStore(folder + "/x.zip", mode="w")

    @rule()
    def close_and_compare(self):
        """A new store reads the same content from the finished archive."""
        self.store.close()
        with ZipStore(folder_zip := self.folder + "/x.zip") as finished:
            assert {key: bytes(finished.get(key)) for key in finished.list()} == self.model
        self.store = ZipStore(folder_zip, mode="w")
        for key, value in self.model.items():
            self.store.put(key, value)


class Prefixed(Model):
    def make(self, folder):
        inner = LocalStore(folder)
        inner.put("p/beside", b"")
        inner.put("p-/a", b"")
        return PrefixStore(inner, "p/q")


@pytest.mark.slow
@pytest.mark.parametrize("model", [Local, Memory, Zip, Prefixed])
def test_a_store_is_a_dict_of_bytes(model):
    run_state_machine_as_test(model, settings=examples(13, stateful_step_count=30))
