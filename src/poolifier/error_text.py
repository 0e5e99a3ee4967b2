"""The traceback of an error as text. Import it with the first error: a worker takes several milliseconds for it."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Final

from poolifier.error_attributes import (
    attributes_of,
    cause_of,
    context_of,
    hides_context,
    is_a,
    made_classes,
    text_of,
    traceback_of,
    type_name_of,
)

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TypeAlias

    ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]

__all__ = ["format_error", "to_log"]

_FIRST: Final = 100
_LAST: Final = 900
"""Frames of a traceback that are shown. A recursion can have a million of them, each with its line of source."""

_MOST_LINKS: Final = 100
"""Errors of a chain that are shown where it has to be gone through here."""

_OWN_PACKAGES: Final = ("poolifier.worker.", "poolifier.backends.")

_READ: Final = (
    "__bool__",
    "__cause__",
    "__class__",
    "__context__",
    "__getattr__",
    "__getattribute__",
    "__len__",
    "__notes__",
    "__suppress_context__",
    "__traceback__",
)
"""What the module `traceback` asks for. Until Python 3.13.3 it shows no causes of an error that is false (gh-132308),
and a property can lead it on for ever: a `__cause__` that is always a new error."""


def format_error(error: BaseException) -> str:
    """The error with its traceback, its causes and contexts, notes and children, as Python shows it. Never raises."""
    try:
        started = traceback_of(error)
        own = started
        while own is not None and _is_ours(own.tb_frame.f_globals.get("__name__")):
            own = own.tb_next
        started = own or started
        if all(_is_plain(link) for link in _linked(error)):
            try:
                return _as_python_does(error, started)
            except BaseException:  # noqa: BLE001 - a __str__ may raise anything, and a chain be too deep
                pass
        return _by_hand(error, started)
    except BaseException:  # noqa: BLE001 - whatever it is, the caller waits for an answer
        return f"{type_name_of(error)}: {text_of(error)}\n"


def to_log(error: BaseException) -> tuple[str, ExcInfo | None]:
    """What a log record says of an error, and what it has for `exc_info`.

    That is None where a formatter of records would have to run code of the error's class, which may raise where it is
    logged: then all of it is text.
    """
    if all(_is_plain(link) for link in _linked(error)):
        return text_of(error), (type(error), error, traceback_of(error))
    return format_error(error).rstrip("\n"), None


def _as_python_does(error: BaseException, started: TracebackType | None) -> str:
    left_out = _count(started) - _FIRST - _LAST
    if left_out <= 0:
        return "".join(traceback.format_exception(type(error), error, started, limit=-_FIRST - _LAST))
    lines = traceback.format_exception(type(error), error, started, limit=-_LAST)
    # Where there are causes, their tracebacks come first.
    last = max(index for index, line in enumerate(lines) if line.startswith("Traceback"))
    lines[last + 1 : last + 1] = _head(started, left_out)
    return "".join(lines)


def _by_hand(error: BaseException, started: TracebackType | None) -> str:
    """The same from what the interpreter keeps, without children."""
    parts: list[str] = []
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen and len(seen) < _MOST_LINKS:
        seen.add(id(link))
        parts.append("".join(_one(link, started if link is error else traceback_of(link))))
        cause, context = cause_of(link), context_of(link)
        if cause is not None:
            parts.append("\nThe above exception was the direct cause of the following exception:\n\n")
        elif context is not None and not hides_context(link):
            parts.append("\nDuring handling of the above exception, another exception occurred:\n\n")
            cause = context
        link = cause
    if len(parts) % 2 == 0:
        # What it would have led to is not shown.
        parts.pop()
    return "".join(reversed(parts))


def _one(error: BaseException, started: TracebackType | None) -> list[str]:
    lines = []
    if started is not None:
        lines.append("Traceback (most recent call last):\n")
        left_out = _count(started) - _FIRST - _LAST
        if left_out > 0:
            lines += _head(started, left_out)
        lines += traceback.format_tb(started, -_LAST if left_out > 0 else -_FIRST - _LAST)
    text = text_of(error)
    lines.append(f"{type_name_of(error)}: {text}\n" if text else f"{type_name_of(error)}\n")
    notes = attributes_of(error).get("__notes__")
    if isinstance(notes, list):
        lines += [f"{note}\n" for note in notes if type(note) is str]
    return lines


def _head(started: TracebackType | None, left_out: int) -> list[str]:
    return [*traceback.format_tb(started, _FIRST), f"  [{left_out} frames left out]\n"]


def _count(started: TracebackType | None) -> int:
    count = 0
    while started is not None:
        count += 1
        started = started.tb_next
    return count


def _linked(error: BaseException) -> list[BaseException]:
    """All errors that hang on it by cause, context or group, and it."""
    found: dict[int, BaseException] = {}
    open_ends = [error]
    while open_ends:
        link = open_ends.pop()
        if id(link) in found:
            continue
        found[id(link)] = link
        open_ends += [other for other in (cause_of(link), context_of(link)) if other is not None]
        if is_a(link, BaseExceptionGroup):
            open_ends += _children(link)
    return list(found.values())


def _children(group: BaseException) -> tuple[BaseException, ...]:
    members: tuple[BaseException, ...] = BaseExceptionGroup.__dict__["exceptions"].__get__(group)
    return members


def _is_plain(error: BaseException) -> bool:
    """Whether nothing of what is read of it is its class's own."""
    read = (*_READ, "exceptions") if is_a(error, BaseExceptionGroup) else _READ
    return not any(name in namespace for _, namespace in made_classes(type(error)) for name in read)


def _is_ours(module: object) -> bool:
    return isinstance(module, str) and module.startswith(_OWN_PACKAGES)
