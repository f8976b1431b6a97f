"""Versions of values that prove equality, so that the values need not be read.

S3's ETag of a value is the MD5 of its bytes; of a value that was uploaded in parts, it is the MD5 of the MD5s of its
parts, ``-``, and their number (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html). Google Cloud Storage has
the same ETags in its XML API (https://cloud.google.com/storage/docs/hashes-etags). With some kinds of encryption an ETag
is no MD5, but still differs for each put. Equal ETags of this form and equal sizes therefore prove equal bytes. Different
ETags prove nothing. ETags of other stores and of web servers come from times or counters, and are not used.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable

from exzarr.stores.base import Buffer, Store
from exzarr.stores.objects.properties import etag_of

__all__ = ["digest_of", "has_digest", "same_version"]

_DIGEST = re.compile(r'"([0-9a-f]{32})(-\d+)?"')
_SCHEMES = ("s3://", "gs://")


def digest_of(store: Store, version: Hashable) -> str | None:
    """Return the digest in the version of a value, or None if it has none."""
    etag = etag_of(version) if store.url.startswith(_SCHEMES) else None
    return etag if etag is not None and _DIGEST.fullmatch(etag) else None


def has_digest(data: Buffer, digest: str | None) -> bool:
    """Return True if `digest` is the MD5 of `data`."""
    if digest is None or "-" in digest:
        return False
    return hashlib.md5(data, usedforsecurity=False).hexdigest() == digest.strip('"')


def same_version(listed: Hashable, read: Hashable) -> bool:
    """Return True unless a value has changed between its listing and its reading, as far as both have versions."""
    if listed is None or read is None:
        return True
    return (etag_of(listed) or listed) == (etag_of(read) or read)
