"""Listings of sorted keys equal a full scan."""

from __future__ import annotations

from hypothesis import given, strategies as st

from exzarr.stores.listing import keys_directly_under, keys_under
from tests.breadth import examples

# Characters next to '/' in sort order are the difficult cases for bisection.
parts = st.text(alphabet="-./0ab", min_size=1, max_size=3).filter(lambda part: "/" not in part)
keys = st.lists(parts, min_size=1, max_size=4).map("/".join)


@examples(100)
@given(keys=st.sets(keys, max_size=30), prefix=st.one_of(st.just(""), keys))
def test_sorted_listing_equals_a_full_scan(keys, prefix):
    ordered = sorted(keys)
    below = [key for key in ordered if not prefix or key.startswith(prefix + "/")]
    assert [*keys_under(ordered, prefix)] == below
    rests = [key[len(prefix) + 1 :] if prefix else key for key in below]
    names = sorted({rest for rest in rests if "/" not in rest})
    folders = sorted({rest.partition("/")[0] for rest in rests if "/" in rest})
    assert keys_directly_under(ordered, prefix) == (names, folders)
