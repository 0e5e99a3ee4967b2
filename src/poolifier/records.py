"""Immutable values with named fields, for what worker processes import.

What a frozen dataclass is, without the module `dataclasses`: importing that, and `inspect` with it, would take
a new worker process longer than everything else here together.
"""

from __future__ import annotations

from collections.abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, dataclass_transform
else:

    def dataclass_transform(**_: object) -> Callable[[type], type]:
        """Only type checkers care."""
        return lambda cls: cls


__all__ = ["Record"]


@dataclass_transform(frozen_default=True)
class Record:
    """The base of immutable values. A subclass lists its fields as annotations, those with defaults last.

    Two are equal where their class and all fields are. They can be hashed if their fields can, and pickled.
    """

    _fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls._fields = (*cls._fields, *cls.__annotations__)

    def __init__(self, *values: Any, **named: Any) -> None:
        fields = self._fields
        given = dict(zip(fields, values, strict=False)) | named
        wrong = [name for name in named if name not in fields[len(values) :]]
        missing = [name for name in fields if name not in given and not hasattr(type(self), name)]
        if wrong or missing or len(values) > len(fields):
            raise TypeError(f"{type(self).__name__} takes {', '.join(fields)}; got {values!r} and {named!r}")
        for name in fields:
            self.__dict__[name] = given[name] if name in given else getattr(type(self), name)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"cannot assign to field {name!r} of a {type(self).__name__}, which is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"cannot delete field {name!r} of a {type(self).__name__}, which is immutable")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self._fields)
        return f"{type(self).__name__}({fields})"
