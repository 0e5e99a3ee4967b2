"""Reads and sets what Python itself keeps of an error, whatever the error's class has in its place.

The class of an error is the user's, and may do anything: a frozen dataclass refuses every assignment, `__len__` makes
an error false, and `__getattribute__`, a property called `__cause__` or a lying `__class__` may raise or mislead
whoever reads an attribute. What is here goes by the type, and by the descriptors of the built-in base class, as the
interpreter does when it raises an error: none of the user's code runs. So whoever handles an error of a task tests it
by `is None` and never by its truth, and by `is_a` rather than by `isinstance`, which asks `__class__`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Any, Final, TypeGuard, TypeVar

    ClassT = TypeVar("ClassT")

__all__ = [
    "arguments_of",
    "attributes_of",
    "built_in_bases",
    "cause_of",
    "context_of",
    "hides_context",
    "is_a",
    "made_classes",
    "set_arguments",
    "set_cause",
    "set_context",
    "set_traceback",
    "text_of",
    "traceback_of",
    "type_name_of",
]

_HEAP_TYPE: Final = 1 << 9
"""Set in `__flags__` of classes that Python code made."""

_OWN: Final[Any] = BaseException.__dict__
_args: Final[Any] = _OWN["args"]
_cause: Final[Any] = _OWN["__cause__"]
_context: Final[Any] = _OWN["__context__"]
_suppresses: Final[Any] = _OWN["__suppress_context__"]
_traceback: Final[Any] = _OWN["__traceback__"]
_attributes: Final[Any] = _OWN["__dict__"]
_lineage: Final[Any] = type.__dict__["__mro__"]
_flags: Final[Any] = type.__dict__["__flags__"]
_namespace: Final[Any] = type.__dict__["__dict__"]
_module: Final[Any] = type.__dict__["__module__"]
_qualified_name: Final[Any] = type.__dict__["__qualname__"]


def is_a(error: object, *classes: type[ClassT]) -> TypeGuard[ClassT]:
    """Whether the error's type is one of these classes, or derived from one."""
    return issubclass(type(error), classes)


def cause_of(error: BaseException) -> BaseException | None:
    """What it was raised `from`."""
    cause: BaseException | None = _cause.__get__(error)
    return cause


def set_cause(error: BaseException, cause: BaseException | None, *, hides_context: bool = True) -> None:
    """Sets what it was raised `from`, and whether that is shown instead of its context."""
    _cause.__set__(error, cause)
    _suppresses.__set__(error, hides_context)


def context_of(error: BaseException) -> BaseException | None:
    """What was being handled when it was raised."""
    context: BaseException | None = _context.__get__(error)
    return context


def set_context(error: BaseException, context: BaseException | None) -> None:
    """Sets what was being handled when it was raised."""
    _context.__set__(error, context)


def hides_context(error: BaseException) -> bool:
    """Whether its context is not to be shown."""
    hides: bool = _suppresses.__get__(error)
    return hides


def traceback_of(error: BaseException) -> TracebackType | None:
    """Where it was raised."""
    traceback: TracebackType | None = _traceback.__get__(error)
    return traceback


def set_traceback(error: BaseException, traceback: TracebackType | None) -> None:
    """Sets where it was raised."""
    _traceback.__set__(error, traceback)


def set_arguments(error: BaseException, arguments: tuple[Any, ...]) -> None:
    """Sets its `args`."""
    _args.__set__(error, arguments)


def attributes_of(error: BaseException) -> dict[str, Any]:
    """Its `__dict__`: the very one, so what is put there is an attribute."""
    attributes: dict[str, Any] = _attributes.__get__(error)
    return attributes


def made_classes(cls: type) -> list[tuple[type, Mapping[str, Any]]]:
    """A class and its bases as far as Python code made them, in the order of lookups, each with its namespace."""
    return [(base, _namespace.__get__(base)) for base in _lineage.__get__(cls) if _flags.__get__(base) & _HEAP_TYPE]


def built_in_bases(cls: type) -> list[Any]:
    """The bases of a class that are built in, in the order of lookups."""
    return [base for base in _lineage.__get__(cls) if not _flags.__get__(base) & _HEAP_TYPE]


def type_name_of(error: BaseException) -> str:
    """The name of its type, with that of the module unless it is built in. Never raises."""
    cls = type(error)
    name: str = _qualified_name.__get__(cls)
    try:
        module = _module.__get__(cls)
        return name if module == "builtins" else str.__str__(f"{module}.{name}")
    except BaseException:  # noqa: BLE001 - a class may delete it, or have anything there
        return name


def text_of(error: BaseException) -> str:
    """Its `str()`; where that raises, its arguments instead. Never raises, and never returns a subclass of `str`."""
    try:
        return str.__str__(str(error))
    except BaseException as failure:  # noqa: BLE001 - a __str__ may raise anything
        return f"{arguments_of(error)} (its str() failed: {type_name_of(failure)})"


def arguments_of(error: BaseException) -> str:
    """The `repr()` of its `args`. Never raises."""
    arguments: tuple[Any, ...] = _args.__get__(error)
    return f"({', '.join(map(_represented, arguments))}{',' * (len(arguments) == 1)})"


def _represented(value: object) -> str:
    try:
        return str.__str__(repr(value))
    except BaseException:  # noqa: BLE001 - a __repr__ may raise anything
        return object.__repr__(value)
