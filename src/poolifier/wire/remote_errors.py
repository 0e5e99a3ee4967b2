"""Errors that cross a wire and arrive as themselves.

An error is encoded as a list of records, one per exception that hangs on it by cause, context or
group, so that one which cannot be pickled spoils no other. Links that would close a circle are cut.

A class whose own `__init__` takes other arguments than it leaves in `args` would not survive the
default way of unpickling exceptions, `cls(*args)`. Those are made with `cls.__new__` and the
`__init__` of their nearest built-in base, then given their state: they arrive as they were without
running any code of the class.
"""

from __future__ import annotations

import pickle

from poolifier.errors import RemoteError
from poolifier.wire import codec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, TypeAlias

__all__ = ["RemoteTraceback", "decode_error", "encode_error"]

_DEEPEST: Final = 64
_MOST: Final = 1000
_HEAP_TYPE: Final = 1 << 9
"""Set in `__flags__` of classes that Python code made."""

_OWN_PACKAGES: Final = ("poolifier.worker.", "poolifier.backends.")

# (how, pickle, type name, message, traceback, cause, context, suppress context, notes, children);
# causes, contexts and children are numbers of other records, or -1.
_Record: TypeAlias = "tuple[str, bytes, str, str, str, int, int, bool, list[str], list[int]]"


class RemoteTraceback(Exception):  # noqa: N818 - as in concurrent.futures, it is no error of its own
    """The traceback of an error in the worker where it was raised, as text.

    It stands at the end of the error's chain of causes.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


def encode_error(error: BaseException) -> bytes:
    """Encodes an error with its causes, contexts, notes and children. Never raises."""
    text = _format(error)
    try:
        records: list[_Record | None] = []
        _encode(error, records, {}, set(), text)
        return pickle.dumps((text, records), 5)
    except BaseException:  # noqa: BLE001 - whatever it is, the caller waits for an answer
        record: _Record = ("lost", b"", _type_name(error), _message(error), text, -1, -1, False, [], [])
        return pickle.dumps((text, [record]), 5)


def decode_error(payload: bytes) -> BaseException:
    """Undoes `encode_error`. Never raises; what cannot be rebuilt is a `RemoteError`."""
    try:
        text, records = pickle.loads(payload)
        built: dict[int, BaseException] = {}
        root = _decode(0, records, built, text)
        _link(records, built)
        _append_traceback(root, text)
    except BaseException as error:  # noqa: BLE001 - it answers a task, and must not end the pool's loop
        return RemoteError(_type_name(error), f"an error arrived that cannot be read: {_message(error)}")
    return root


def _encode(
    error: BaseException, records: list[_Record | None], numbers: dict[int, int], above: set[int], text: str = ""
) -> int:
    identity = id(error)
    if identity in numbers:
        return -1 if identity in above else numbers[identity]
    if len(above) >= _DEEPEST or len(records) >= _MOST:
        return -1
    number = numbers[identity] = len(records)
    records.append(None)
    above.add(identity)
    children: list[int] = []
    if isinstance(error, BaseExceptionGroup):
        children = [_encode(child, records, numbers, above) for child in error.exceptions]
        children = [child for child in children if child >= 0]
    cause = context = -1
    if error.__cause__ is not None:
        cause = _encode(error.__cause__, records, numbers, above)
    if error.__context__ is not None:
        context = _encode(error.__context__, records, numbers, above)
    above.discard(identity)
    how, payload = _pickled(error)
    if how == "lost" and not text:
        text = _format(error)
    records[number] = (
        how,
        payload,
        _type_name(error),
        _message(error),
        text if how == "lost" else "",
        cause,
        context,
        error.__suppress_context__,
        _notes(error),
        children,
    )
    return number


def _pickled(error: BaseException) -> tuple[str, bytes]:
    """How to rebuild it ("whole", "parts", "group" or "lost"), and from what."""
    cls = type(error)
    if isinstance(error, BaseExceptionGroup):
        try:
            return "group", codec.encode((cls, error.message, {**error.__dict__, **_slots(error)}))
        except BaseException:  # noqa: BLE001 - a __reduce__ may raise anything
            return "lost", b""
    reduces = _defines(cls, "__reduce__", "__reduce_ex__")
    if reduces or not _defines(cls, "__init__", "__new__", "__slots__"):
        try:
            payload = codec.encode(error)
        except BaseException:  # noqa: BLE001 - a __reduce__ may raise anything
            if reduces:
                # Its own way to be pickled is to say no, so its parts are not taken behind its back.
                return "lost", b""
        else:
            if _is_read_as(cls, payload):
                return "whole", payload
    try:
        payload = codec.encode(_parts(error))
        if type(_rebuilt(*codec.decode(payload))) is cls:
            return "parts", payload
    except BaseException:  # noqa: BLE001 - then as a RemoteError
        pass
    return "lost", b""


def _is_read_as(cls: type, payload: bytes) -> bool:
    try:
        return type(codec.decode(payload)) is cls
    except BaseException:  # noqa: BLE001 - its own __init__ may want other arguments, or raise anything
        return False


def _decode(number: int, records: list[_Record], built: dict[int, BaseException], root_text: str = "") -> BaseException:
    """Builds the record's exception, and before it those of its group."""
    if number in built:
        return built[number]
    how, payload, type_name, message, text, _, _, _, notes, children = records[number]
    try:
        if how == "whole":
            error: BaseException = codec.decode(payload)
        elif how == "parts":
            error = _rebuilt(*codec.decode(payload))
        elif how == "group":
            cls, group_message, state = codec.decode(payload)
            members = [_decode(child, records, built) for child in children]
            error = BaseExceptionGroup.__new__(cls, group_message, members)
            for name, value in state.items():
                object.__setattr__(error, name, value)
        else:
            error = RemoteError(type_name, message, text)
        if not isinstance(error, BaseException):
            raise TypeError(f"{type(error)} is no exception")
    except BaseException:  # noqa: BLE001 - its class may not exist here, or do anything
        error = RemoteError(type_name, message, text or root_text)
    if notes and not getattr(error, "__notes__", None):
        error.__notes__ = notes
    built[number] = error
    return error


def _link(records: list[_Record], built: dict[int, BaseException]) -> None:
    for number in range(len(records)):
        _decode(number, records, built)
    for number, (_, _, _, _, _, cause, context, suppress, _, _) in enumerate(records):
        error = built[number]
        error.__cause__ = built.get(cause)
        error.__context__ = built.get(context)
        error.__suppress_context__ = suppress


def _append_traceback(root: BaseException, text: str) -> None:
    seen = {id(root)}
    last = root
    while last.__cause__ is not None and id(last.__cause__) not in seen:
        last = last.__cause__
        seen.add(id(last))
    suppress = last.__suppress_context__
    last.__cause__ = RemoteTraceback(text)
    # Setting a cause hides the context, which the original showed.
    last.__suppress_context__ = suppress


def _rebuilt(cls: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    base = _builtin_base(cls)
    error: BaseException = base.__new__(cls, *args)
    # Fills what built-in exceptions keep outside args and __dict__: SystemExit.code, OSError.errno.
    try:
        base.__init__(error, *args)
    except TypeError:
        error.args = args
    for name, value in state.items():
        object.__setattr__(error, name, value)
    return error


def _parts(error: BaseException) -> tuple[type, tuple[Any, ...], dict[str, Any]]:
    """Undone by `_rebuilt`."""
    cls = type(error)
    # Says more than args: the file name of an OSError, the name of an ImportError.
    reduced = _builtin_base(cls).__reduce__(error)
    state = dict(error.__dict__)
    if len(reduced) > 2 and isinstance(reduced[2], dict):
        state.update(reduced[2])
    state.update(_slots(error))
    return cls, reduced[1], state  # type: ignore[return-value]


def _slots(error: BaseException) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for base in type(error).__mro__:
        names = base.__dict__.get("__slots__", ()) if base.__flags__ & _HEAP_TYPE else ()
        for name in (names,) if isinstance(names, str) else names:
            if not name.startswith("__") and hasattr(error, name):
                state[name] = getattr(error, name)
    return state


def _builtin_base(cls: type[BaseException]) -> type[BaseException]:
    return next(base for base in cls.__mro__ if not base.__flags__ & _HEAP_TYPE)


def _defines(cls: type, *names: str) -> bool:
    return any(name in base.__dict__ for base in cls.__mro__ if base.__flags__ & _HEAP_TYPE for name in names)


def _notes(error: BaseException) -> list[str]:
    notes = getattr(error, "__notes__", None)
    return [note for note in notes if isinstance(note, str)] if isinstance(notes, list) else []


def _type_name(error: BaseException) -> str:
    cls = type(error)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # noqa: BLE001 - a __str__ may raise anything
        return "(its str() failed)"


def _format(error: BaseException) -> str:
    try:
        # Importing it takes a worker several milliseconds.
        import traceback

        started = error.__traceback__
        while started is not None and _is_ours(started.tb_frame.f_globals.get("__name__")):
            started = started.tb_next
        return "".join(traceback.format_exception(type(error), error, started or error.__traceback__))
    except BaseException as failure:  # noqa: BLE001 - a __str__ may raise anything
        return f"{_type_name(error)} (its traceback cannot be shown: {type(failure).__name__})\n"


def _is_ours(module: object) -> bool:
    return isinstance(module, str) and module.startswith(_OWN_PACKAGES)
