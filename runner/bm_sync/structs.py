"""Changes frozen values and names their fields.

The values of the package are `msgspec.Struct`: a hundred and seventy of their types are made at
each start, and a dataclass writes and compiles the source of its methods each time. Values of other
kinds (named tuples, the few dataclasses with fields that are not compared or not shown) are known
here too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

_MOST = 2**63 - 1

Number = Annotated[int, Meta(ge=-_MOST, le=_MOST)]
"""A whole number of 64 bits; bounds are held where a value is read, not where it is made."""
Count = Annotated[int, Meta(ge=0, le=_MOST)]
"""A number of bytes, files, folders or conflicts."""
Text = Annotated[str, Meta(max_length=65_536)]
"""A text that is not a file's."""

if TYPE_CHECKING:
    # The type checker holds the changes to names and types for this one, for Structs as well.
    from dataclasses import replace as replace  # noqa: PLC0414, TID251 - told here
else:

    def replace(value, /, **changes):  # noqa: ANN001, ANN003, ANN201 - typed above
        """Return a copy of a value with some of its fields changed."""
        if isinstance(value, msgspec.Struct):
            return msgspec.structs.replace(value, **changes)
        import dataclasses

        return dataclasses.replace(value, **changes)  # noqa: TID251 - for what is no Struct


def dashed(name: str) -> str:
    """Return how a class is called in JSON: `KeepBoth` is keep-both."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def names(kind: type) -> tuple[str, ...] | None:
    """Return the names of the fields of a type of values, None for a type that has none."""
    for mark in ("__struct_fields__", "_fields", "__dataclass_fields__"):
        found = getattr(kind, mark, None)
        if found is not None:
            return tuple(found)
    return None
