"""`create_plate` and `write_field`: write plates of high-content screening in OME-Zarr 0.4 and 0.5.

https://ngff.openmicroscopy.org/0.5/index.html, sections "plate" and "well" metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from exzarr._api.creating import create_group
from exzarr._format.multiscales.collections import parse_well
from exzarr._format.multiscales.parse import ome_members
from exzarr._nodes.group import Group
from exzarr._spelling import known_arguments
from exzarr.errors import ArgumentError
from exzarr.multiscale.collections import Plate
from exzarr.multiscale.pyramid import Pyramid
from exzarr.multiscale.writing import write

if TYPE_CHECKING:
    from exzarr.stores.resolve import StoreLike
    from exzarr.stores.url_options import StorageOptions

__all__ = ["create_plate", "write_field"]

PlateVersion = Literal["0.4", "0.5"]


@known_arguments
def create_plate(
    group: StoreLike,
    rows: Sequence[Any],
    columns: Sequence[Any],
    *,
    path: str = "",
    name: str | None = None,
    acquisitions: Sequence[Mapping[str, Any]] = (),
    version: PlateVersion = "0.5",
    overwrite: bool = False,
    storage_options: StorageOptions | None = None,
) -> Plate:
    """Create a plate without wells. `write_field` adds the images.

    Parameters
    ----------
    group, path
        The place for the plate: a store (or a path, or URL), and a path in it.
    rows, columns
        Names of all rows and columns, such as ``"ABCDEFGH"`` and ``range(1, 13)``: letters and digits.
    name
        Name of the plate.
    acquisitions
        The acquisitions: objects with an integer ``id``, and optionally ``name``, ``description``, ``maximumfieldcount``,
        ``starttime`` and ``endtime``.
    version
        Version of OME-Zarr, ``"0.4"`` or ``"0.5"``.
    overwrite
        Replace an existing node.
    storage_options
        Options for a URL: see `exzarr.open`.

    Returns
    -------
    Plate

    Raises
    ------
    ArgumentError
        Names are not unique or have other characters, or an acquisition has no id of its own.
    NodeExistsError
        There is a node already, and `overwrite` is false.
    """
    if version not in get_args(PlateVersion):
        raise ArgumentError(f"plates are written in OME-Zarr 0.4 or 0.5, not {version!r}")
    plate: dict[str, Any] = {
        "rows": _names("rows", rows),
        "columns": _names("columns", columns),
        "wells": [],
    }
    if name is not None:
        plate["name"] = name
    ids = [one.get("id") for one in acquisitions]
    if any(type(number) is not int or number < 0 for number in ids) or len({*ids}) < len(ids):
        raise ArgumentError(f"each acquisition has an id of its own, an integer from 0; the ids are {ids}")
    if ids:
        plate["acquisitions"] = [dict(one) for one in acquisitions]
    made = create_group(
        group,
        path=path,
        zarr_format=2 if version == "0.4" else 3,
        overwrite=overwrite,
        attributes=_attributes("plate", plate, version),
        storage_options=storage_options,
    )
    return Plate(made)


def write_field(
    source: Any, plate: Plate, well: str, *, acquisition: int | None = None, **options: Any
) -> Pyramid:
    """Add a field of view to a well of a plate: an image, built as by `write`.

    The image becomes the pyramid ``ROW/COLUMN/N`` below the plate, where N counts the fields of the well. The well lists it
    when it is complete, and the plate lists the well after that. Fields of different wells may be written concurrently.

    Parameters
    ----------
    source
        The image: see `write`.
    plate
        The plate.
    well
        Path of the well: ``"A/1"``.
    acquisition
        The id of an acquisition of the plate. The specification requires it if there are several.
    **options
        Other keywords of `write`: `axes`, `scale`, `unit`, `channels`, `chunks`, `workers`, ...

    Returns
    -------
    Pyramid
        The image.

    Raises
    ------
    ArgumentError
        The plate has no such row, column or acquisition, or its version is not 0.4 or 0.5.
    """
    stored = Plate(plate.group).metadata
    version = _version_of(plate.group)
    row, _, column = well.partition("/")
    if row not in stored.rows or column not in stored.columns:
        raise ArgumentError(
            f"the plate has no well {well!r}: rows are {', '.join(stored.rows)}, columns are {', '.join(stored.columns)}"
        )
    ids = [one.get("id") for one in stored.acquisitions]
    if acquisition not in ids and (acquisition is not None or len(ids) > 1):
        raise ArgumentError(f"acquisition={acquisition!r}: the acquisitions of the plate are {ids}")
    group = plate.group.require_group(well)
    field = str(len([*group]))
    place = group.create_group(field)
    try:
        image = write(source, place, version=version, **options)
    except BaseException:
        del group[field]
        raise
    entry = {"path": field} if acquisition is None else {"path": field, "acquisition": acquisition}
    group.attrs.change(_changing("well", version, lambda members: _with_image(members, entry)))
    listed = {
        "path": well,
        "rowIndex": stored.rows.index(row),
        "columnIndex": stored.columns.index(column),
    }
    plate.group.attrs.change(_changing("plate", version, lambda members: _with_well(members, listed)))
    plate.metadata = Plate(plate.group).metadata
    return image


def _names(what: str, names: Sequence[Any]) -> list[dict[str, str]]:
    texts = [str(name) for name in names]
    if (
        not texts
        or len({*texts}) < len(texts)
        or not all(text.isascii() and text.isalnum() for text in texts)
    ):
        raise ArgumentError(f"{what} are names of letters and digits, each once, not {texts}")
    return [{"name": text} for text in texts]


def _attributes(kind: str, members: dict[str, Any], version: str) -> dict[str, Any]:
    made = {kind: {"version": version, **members}}
    return made if version == "0.4" else {"ome": {"version": version, **made}}


def _version_of(group: Group) -> PlateVersion:
    attributes = group.attrs.asdict()
    version = (
        attributes.get("ome", {}).get("version")
        if group.zarr_format == 3
        else attributes["plate"].get("version")
    )
    for known in get_args(PlateVersion):
        if version == known:
            found: PlateVersion = known
            return found
    raise ArgumentError(
        f"the plate {group.name!r} has version {version!r}: fields are written in OME-Zarr 0.4 or 0.5"
    )


def _changing(
    kind: str, version: str, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> Callable[[dict[str, Any]], None]:
    """Return a function that changes the members of one kind in the attributes of a group."""

    def apply(stored: dict[str, Any]) -> None:
        members = dict(ome_members(stored).get(kind) or {})
        members.pop("version", None)
        made = _attributes(kind, change(members), version)
        if version == "0.4":
            stored.update(made)
        else:
            stored["ome"] = {**stored.get("ome", {}), **made["ome"]}

    return apply


def _with_image(members: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    known = [one.path for one in parse_well(members)] if members else []
    images = [*members.get("images", ())]
    return {**members, "images": images if entry["path"] in known else [*images, entry]}


def _with_well(members: dict[str, Any], listed: dict[str, Any]) -> dict[str, Any]:
    wells = [*members.get("wells", ())]
    if listed["path"] not in [one["path"] for one in wells]:
        wells.append(listed)
    return {**members, "wells": wells}
