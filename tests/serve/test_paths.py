"""Paths: tokens, keys, and no way out of the store."""

from __future__ import annotations

import pytest

from exzarr.errors import InvalidKeyError
from exzarr.serve.paths import Target, admitted, target_of

TOKEN = "secret-token"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/", Target("", True)),
        ("/zarr.json", Target("zarr.json", False)),
        ("/a/c/0/1", Target("a/c/0/1", False)),
        ("/a/", Target("a", True)),
        ("//a", Target("a", False)),
        ("/ä b/%2e%2e/x", Target("ä b/%2e%2e/x", False)),  # encoded twice: a name, not a step up
        ("/..a/...", Target("..a/...", False)),
    ],
)
def test_path_names_a_key_or_a_folder(path: str, target: Target) -> None:
    assert target_of(path) == target


@pytest.mark.parametrize(
    "path",
    [
        "",
        "*",
        "zarr.json",
        "http://other/zarr.json",
        "/..",
        "/../",
        "/../zarr.json",
        "/a/../../etc/passwd",
        "/a/..",
        "/./zarr.json",
        "/a//b",
        "/a//",
        "/a\0b",
        "/.exzarr-lock",
        "/a/.1-2.exzarr-tmp",
        "/\ufffd",
    ],
)
def test_path_that_could_leave_the_store_is_refused(path: str) -> None:
    with pytest.raises(InvalidKeyError):
        target_of(path)


@pytest.mark.parametrize(
    ("path", "query", "headers", "rest"),
    [
        ("/a", "", {"authorization": f"Bearer {TOKEN}"}, "/a"),
        ("/a", "", {"authorization": f"bearer  {TOKEN} "}, "/a"),
        (f"/{TOKEN}/a", "", {}, "/a"),
        (f"/{TOKEN}/a", "", {"authorization": f"Bearer {TOKEN}"}, "/a"),
        (f"/{TOKEN}", "", {}, "/"),
        (f"/{TOKEN}/", "", {}, "/"),
        ("/a", f"x=1&token={TOKEN}", {}, "/a"),
        ("/a", "", {}, None),
        ("/a", "token=", {}, None),
        ("/a", f"token={TOKEN[:-1]}", {}, None),
        (f"/{TOKEN}x/a", "", {}, None),
        (f"/a/{TOKEN}", "", {}, None),
        ("/a", "", {"authorization": TOKEN}, None),
        ("/a", "", {"authorization": f"Basic {TOKEN}"}, None),
        ("/ä", "token=ä", {"authorization": "Bearer ä"}, None),
    ],
)
def test_token_admits(path: str, query: str, headers: dict[str, str], rest: str | None) -> None:
    assert admitted(TOKEN, path, query, headers) == rest


def test_without_a_token_all_are_admitted() -> None:
    assert admitted(None, "/a", "", {}) == "/a"
