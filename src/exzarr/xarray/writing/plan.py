"""What a write changes: which arrays are new, which are overwritten, and which grow. Nothing is stored here."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from xarray import Dataset, Variable

import exzarr
from exzarr.errors import ArgumentError, ArgumentTypeError, LabelError
from exzarr.xarray.variables import variable as stored_variable
from exzarr.xarray.writing import regions
from exzarr.xarray.writing.arrays import NewArray, checked_attributes, new_array
from exzarr.xarray.writing.options import WriteOptions
from exzarr.xarray.writing.places import Place
from exzarr.xarray.writing.unlisted import decoded, encode_attribute, encode_dataset_coordinates, encoded

__all__ = ["RESERVED", "UNNAMED", "GroupPlan", "plan_group"]

UNNAMED = "__values__"
"""Name of the stored array of a variable without name, as in xarray."""

RESERVED = ("exzarr_append_keys", "exzarr_ingest")
"""Attributes of a group that describe what is stored in it. A dataset that was read from it does not carry them on."""

Slices = Mapping[Hashable, slice]


@dataclass(frozen=True)
class GroupPlan:
    """What a write changes in one group.

    Attributes
    ----------
    place
        The group.
    attributes
        Its new attributes; None leaves them as they are.
    new
        New arrays by name, with the encoded variables.
    existing
        Arrays to overwrite, with the encoded variables and the regions that they go to.
    growing
        Encoded variables to append, by name.
    """

    place: Place
    attributes: dict[str, Any] | None
    new: dict[str, tuple[Variable, NewArray]] = field(default_factory=dict)
    existing: dict[str, tuple[Variable, exzarr.Array, tuple[slice, ...]]] = field(default_factory=dict)
    growing: dict[str, Variable] = field(default_factory=dict)


def plan_group(
    place: Place, dataset: Dataset, encoding: Mapping[str, Any], options: WriteOptions
) -> GroupPlan:
    """Compare a dataset with the group that it is written to.

    Raises
    ------
    ArgumentError
        The dataset does not fit what is stored, or the mode. It is a ValueError.
    LabelError
        `encoding` names a variable that the dataset lacks, or a region cannot be found. It is a KeyError.
    """
    _check_names(dataset)
    stored = {} if options.creates else dict(place.group.arrays())
    region: Slices = {}
    if options.region is not None:
        region = regions.resolve(
            options.region, dataset, options.append_dim, lambda dim: _stored_labels(place, stored, dim)
        )
        dataset = dataset.drop_vars(dataset.indexes)  # a write to a region changes no coordinates
    variables, attributes = _with_encoding(dataset, encoding, stored)
    planner = _Planner(place, options, region, stored, {*encoding})
    return planner.plan(variables, attributes)


def _with_encoding(
    dataset: Dataset, encoding: Mapping[str, Any], stored: Mapping[str, object]
) -> tuple[dict[Any, Variable], dict[Any, Any]]:
    variables, attributes = encode_dataset_coordinates(dataset)
    for name, members in encoding.items():
        if name in stored:
            raise ArgumentError(
                f"variable {name!r} already exists, but encoding was provided: the stored encoding is used. Leave the "
                "encoding of this variable out"
            )
        if name not in variables:
            raise LabelError(
                f"encoding has variable {name!r}, which the dataset lacks: it has {[*variables]}"
            )
        variables[name].encoding = members
    return variables, attributes


def _check_names(dataset: Dataset) -> None:
    for name in dataset.variables:
        if name is not None and not isinstance(name, str):
            raise ArgumentTypeError(
                f"Invalid name {name!r} for DataArray or Dataset key: must be either a string or None for "
                "serialization to zarr"
            )
        if name == "":
            raise ArgumentError(
                f"Invalid name {name!r} for DataArray or Dataset key: string must be length 1 or greater for "
                "serialization to zarr"
            )


def _stored_labels(place: Place, stored: Mapping[str, exzarr.Array], dim: Hashable) -> Any:
    if dim not in stored:
        raise LabelError(f"cannot find the region: the store has no coordinate {dim!r}")
    raw = stored_variable(
        stored[str(dim)], fill_value_as_mask=place.group.zarr_format == 2, prefer_shards=False
    )
    return decoded({str(dim): raw})[str(dim)].values


class _Planner:
    """Sorts the variables of one dataset into new, existing and growing ones."""

    def __init__(
        self,
        place: Place,
        options: WriteOptions,
        region: Slices,
        stored: dict[str, exzarr.Array],
        explicit: set[str],
    ) -> None:
        self._place = place
        self._options = options
        self._region = region
        self._stored = stored
        self._explicit = explicit
        self._format = place.group.zarr_format

    def plan(self, variables: Mapping[Any, Variable], attributes: Mapping[Any, Any]) -> GroupPlan:
        names = {name: UNNAMED if name is None else name for name in variables}
        old = [name for name in variables if names[name] in self._stored]
        new = [name for name in variables if names[name] not in self._stored]
        self._check_mode(new)
        plan = GroupPlan(self._place, self._attributes(attributes))
        for name in new:
            variable = self._encoded(name, variables[name])
            self._check_new(name, variable)
            plan.new[names[name]] = variable, self._new_array(name, variable)
        for name, variable in self._like_stored({name: variables[name] for name in old}, names).items():
            self._place_existing(plan, names[name], variable)
        return plan

    def _check_mode(self, new: list[Any]) -> None:
        options = self._options
        if options.mode == "r+" and new:
            raise ArgumentError(
                f"dataset contains non-pre-existing variables {new!r}, which is not allowed with mode='r+'. To allow "
                "writing new variables, set mode='a'"
            )
        if options.append_dim is None or options.append_dim in self._stored:
            return
        known = {name for array in self._stored.values() for name in array.dimension_names or ()}
        if options.append_dim not in known:
            raise ArgumentError(
                f"append_dim={options.append_dim!r} does not match any existing dataset dimensions {sorted(name for name in known if name)}"
            )

    def _attributes(self, attributes: Mapping[Any, Any]) -> dict[str, Any] | None:
        if self._options.mode == "r+":
            return None
        return checked_attributes(
            {key: encode_attribute(value) for key, value in attributes.items() if key not in RESERVED},
            "the dataset",
        )

    # -- new arrays --------------------------------------------------------------------

    def _check_new(self, name: Any, variable: Variable) -> None:
        append_dim = self._options.append_dim
        if append_dim is not None and append_dim in variable.dims:
            raise ArgumentError(
                f"variable {name!r} is new and has the dimension {append_dim!r}: the store has no earlier rows of it. "
                "Write it for all of the dimension first, with mode='a' and without append_dim"
            )
        sizes = {
            dim: n
            for array in self._stored.values()
            for dim, n in zip(array.dimension_names or (), array.shape, strict=False)
        }
        for dim, n in variable.sizes.items():
            start, stop, _ = self._region.get(dim, slice(None)).indices(sizes.get(dim, n))
            if n != sizes.get(dim, n) or (start, stop) != (0, n):
                raise ArgumentError(
                    f"variable {name!r} is not in the store, and only a part of dimension {dim!r}, of length "
                    f"{sizes.get(dim, n)}, would be written. Create it for all of the dimension first: with mode='a' "
                    "and compute=False"
                )

    def _new_array(self, name: Any, variable: Variable) -> NewArray:
        return new_array(
            variable,
            name,
            zarr_format=self._format,
            explicit=name in self._explicit,
            write_empty_chunks=self._options.write_empty_chunks,
        )

    def _encoded(self, name: Any, variable: Variable) -> Variable:
        try:
            return encoded(variable, name, self._format)
        except Exception as error:
            error.add_note(f"Raised while encoding variable {name!r} with value {variable!r}")
            raise

    # -- existing arrays ---------------------------------------------------------------

    def _like_stored(self, variables: dict[Any, Variable], names: Mapping[Any, str]) -> dict[Any, Variable]:
        """Return the variables with the encoding of the stored ones: units, fill values, data types."""
        if not variables:
            return {}
        raw = {
            name: stored_variable(
                self._stored[names[name]], fill_value_as_mask=self._format == 2, prefer_shards=False
            )
            for name in variables
        }
        known = decoded(raw)
        result = {}
        for name, variable in variables.items():
            _check_type(name, known[name], variable)
            variable = variable.copy(deep=False)
            variable.encoding = {**known[name].encoding}
            result[name] = self._fitting(name, known[name], self._encoded(name, variable))
        return result

    def _fitting(self, name: Any, known: Variable, variable: Variable) -> Variable:
        """Return the variable with the stored order of dimensions; raise ArgumentError if it does not fit."""
        if variable.dims != known.dims:
            if {*variable.dims} != {*known.dims}:
                raise ArgumentError(
                    f"variable {name!r} already exists with different dimension names {known.dims} != {variable.dims}, "
                    "but changing variable dimensions is not supported by to_zarr()"
                )
            variable = variable.transpose(*known.dims)
        append_dim = self._options.append_dim
        sizes = {
            dim: len(range(*self._region[dim].indices(n))) if dim in self._region else n
            for dim, n in known.sizes.items()
            if dim != append_dim
        }
        given = {dim: n for dim, n in variable.sizes.items() if dim != append_dim}
        if sizes != given:
            raise ArgumentError(
                f"variable {name!r} already exists with different dimension sizes: {sizes} != {given}. to_zarr() only "
                f"supports changing dimension sizes when explicitly appending, but append_dim={append_dim!r}. To write "
                "a part of the store, use the argument region"
            )
        return variable

    def _place_existing(self, plan: GroupPlan, name: str, variable: Variable) -> None:
        append_dim = self._options.append_dim
        if append_dim is not None and append_dim in variable.dims:
            plan.growing[name] = variable
        elif append_dim is None or self._options.mode != "a-":
            array = self._stored[name]
            region = tuple([self._region.get(dim, slice(None)) for dim in variable.dims])
            plan.existing[name] = variable, array, region


def _check_type(name: Any, known: Variable, variable: Variable) -> None:
    """Raise ArgumentError for text of another length, which would be truncated."""
    number = variable.dtype.kind in "biufcmM" or variable.dtype == object
    text = variable.dtype.kind in "SU" and known.dtype == object
    if not number and not text and variable.dtype != known.dtype:
        raise ArgumentError(
            f"Mismatched dtypes for variable {name} between Zarr store on disk and dataset to append. Store has dtype "
            f"{known.dtype} but dataset to append has dtype {variable.dtype}"
        )
