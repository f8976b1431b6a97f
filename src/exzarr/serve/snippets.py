"""How each client opens a served hierarchy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

from exzarr._api.opening import open as open_node
from exzarr._nodes.array import Array
from exzarr._nodes.group import Group
from exzarr.errors import ExzarrError

if TYPE_CHECKING:
    from exzarr.serve.server import Served

__all__ = ["snippets"]


def snippets(served: Served) -> dict[str, str]:
    """Return source text that opens a served hierarchy, by the name of the client.

    TensorStore and zarrita.js open arrays: the first one in the hierarchy. xarray opens the group of this array, if the
    array has dimension names.
    """
    url = served.url
    array = _first_array(served)
    found = {"exzarr": _exzarr(url), "zarr-python": _zarr(url), "zarr-python, through obstore": _obstore(url)}
    if served.options.write:
        found["exzarr, for writing"] = _writing(url)
    if array is None:
        return found
    inside = quote(array.path)
    above, slash, _ = array.path.rpartition("/")
    if array.path and array.dimension_names is not None and None not in array.dimension_names:
        found["xarray"] = _xarray(url + (f"/{quote(above)}" if slash else ""), served.options.consolidate)
    found["TensorStore"] = _tensorstore(f"{url}/{inside}/" if inside else f"{url}/", array.zarr_format)
    found["zarrita.js"] = _zarrita(f"{url}/{inside}" if inside else url)
    return found


def _first_array(served: Served) -> Array | None:
    try:
        return next(_arrays(open_node(served.store, mode="r")), None)
    except ExzarrError:  # an empty place for a new hierarchy, or a store that cannot list
        return None


def _arrays(node: Array | Group) -> Iterator[Array]:
    if isinstance(node, Array):
        yield node
        return
    below = [node[name] for name in node]
    yield from (one for one in below if isinstance(one, Array))
    for one in below:
        if isinstance(one, Group):
            yield from _arrays(one)


def _exzarr(url: str) -> str:
    return f"import exzarr\n\nnode = exzarr.open({_text(url)})\n"


def _writing(url: str) -> str:
    return (
        f'import exzarr\n\nnode = exzarr.open({_text(url)}, mode="a", storage_options={{"writable": True}})\n'
    )


def _zarr(url: str) -> str:
    return f'import zarr  # pip install zarr fsspec aiohttp\n\nnode = zarr.open({_text(url)}, mode="r")\n'


def _obstore(url: str) -> str:
    return (
        "import zarr  # pip install zarr obstore\n"
        "from obstore.store import HTTPStore\n"
        "from zarr.storage import ObjectStore\n\n"
        f'client = HTTPStore.from_url({_text(url)}, client_options={{"allow_http": True}})\n'
        'node = zarr.open(ObjectStore(client, read_only=True), mode="r")\n'
    )


def _xarray(url: str, consolidated: bool) -> str:
    return (
        "import xarray  # pip install xarray zarr fsspec aiohttp\n\n"
        f"dataset = xarray.open_zarr({_text(url)}, consolidated={consolidated})\n"
    )


def _tensorstore(url: str, zarr_format: int) -> str:
    driver = "zarr3" if zarr_format == 3 else "zarr"
    spec = f'{{"driver": "{driver}", "kvstore": {_text(url)}}}'
    return f"import tensorstore\n\narray = tensorstore.open({spec}, open=True, read=True).result()\n"


def _zarrita(url: str) -> str:
    return (
        'import * as zarr from "zarrita";\n\n'
        f"const store = new zarr.FetchStore({_text(url)});\n"
        'const array = await zarr.open(store, { kind: "array" });\n'
        "const { data, shape } = await zarr.get(array);\n"
    )


def _text(text: str) -> str:
    """Return a string literal of Python and of JavaScript."""
    return json.dumps(text)
