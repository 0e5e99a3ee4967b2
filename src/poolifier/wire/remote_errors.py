"""Errors that cross a wire and arrive as themselves.

An error is encoded as a list of records, one per exception that hangs on it by cause, context or
group, so that one which cannot be pickled spoils no other. Links that would close a circle are cut.

A class whose own `__init__` takes other arguments than it leaves in `args` would not survive the
default way of unpickling exceptions, `cls(*args)`. Those are made with `cls.__new__` and the
`__init__` of their nearest built-in base, then given their state: they arrive as they were without
running any code of the class. So do those whose class has a say in how attributes are read or set.
"""

from __future__ import annotations

import pickle
from types import MemberDescriptorType

from poolifier.error_attributes import (
    arguments_of,
    attributes_of,
    built_in_bases,
    cause_of,
    context_of,
    hides_context,
    is_a,
    made_classes,
    set_arguments,
    set_cause,
    set_context,
    text_of,
    type_name_of,
)
from poolifier.errors import RemoteError
from poolifier.wire import codec
from poolifier.wire.refused_modules import advise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final, TypeAlias

__all__ = ["RemoteTraceback", "decode_error", "encode_error"]

_DEEPEST: Final = 64
_MOST: Final = 1000

_group: Final[Any] = BaseExceptionGroup.__dict__

# (how, pickle, type name, message, arguments, traceback, cause, context, suppress context, notes, children);
# causes, contexts and children are numbers of other records, or -1.
_Record: TypeAlias = "tuple[str, bytes, str, str, str, str, int, int, bool, list[str], list[int]]"


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
    advise(error)
    text = _format(error)
    try:
        records: list[_Record | None] = []
        _encode(error, records, {}, set(), text)
        return pickle.dumps((text, records), 5)
    except BaseException:  # noqa: BLE001 - whatever it is, the caller waits for an answer
        names = type_name_of(error), text_of(error), arguments_of(error)
        record: _Record = ("lost", b"", *names, text, -1, -1, False, [], [])
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
        return RemoteError(type_name_of(error), f"an error arrived that cannot be read: {text_of(error)}")
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
    if is_a(error, BaseExceptionGroup):
        children = [_encode(child, records, numbers, above) for child in _group["exceptions"].__get__(error)]
        children = [child for child in children if child >= 0]
    cause, context = (
        -1 if linked is None else _encode(linked, records, numbers, above)
        for linked in (cause_of(error), context_of(error))
    )
    above.discard(identity)
    how, payload = _pickled(error)
    if how == "lost" and not text:
        text = _format(error)
    records[number] = (
        how,
        payload,
        type_name_of(error),
        text_of(error),
        arguments_of(error) if how == "lost" else "",
        text if how == "lost" else "",
        cause,
        context,
        hides_context(error),
        _notes(error),
        children,
    )
    return number


def _pickled(error: BaseException) -> tuple[str, bytes]:
    """How to rebuild it ("whole", "parts", "group" or "lost"), and from what."""
    cls = type(error)
    if is_a(error, BaseExceptionGroup):
        try:
            message = _group["message"].__get__(error)
            return "group", codec.encode((cls, message, attributes_of(error), _slots(error)))
        except BaseException:  # noqa: BLE001 - a __reduce__ may raise anything
            return "lost", b""
    reduces = _defines(cls, "__reduce__", "__reduce_ex__")
    if reduces or not _defines(
        cls, "__init__", "__new__", "__slots__", "__setattr__", "__getattribute__", "__class__", "__dict__"
    ):
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
    how, payload, type_name, message, arguments, text, _, _, _, notes, children = records[number]
    try:
        if how == "whole":
            error: BaseException = codec.decode(payload)
        elif how == "parts":
            error = _rebuilt(*codec.decode(payload))
        elif how == "group":
            cls, group_message, state, slots = codec.decode(payload)
            members = [_decode(child, records, built) for child in children]
            error = BaseExceptionGroup.__new__(cls, group_message, members)
            _restore(error, state, slots)
        else:
            error = RemoteError(type_name, message, text, arguments)
        if not is_a(error, BaseException):
            raise TypeError(f"{type(error)} is no exception")
    except BaseException:  # noqa: BLE001 - its class may not exist here, or do anything
        error = RemoteError(type_name, message, text or root_text, arguments)
    if notes:
        attributes_of(error).setdefault("__notes__", notes)
    built[number] = error
    return error


def _link(records: list[_Record], built: dict[int, BaseException]) -> None:
    for number in range(len(records)):
        _decode(number, records, built)
    for number, (*_, cause, context, hides, _, _) in enumerate(records):
        error = built[number]
        set_cause(error, built.get(cause), hides_context=hides)
        set_context(error, built.get(context))


def _append_traceback(root: BaseException, text: str) -> None:
    seen = {id(root)}
    last = root
    while (cause := cause_of(last)) is not None and id(cause) not in seen:
        last = cause
        seen.add(id(last))
    # Setting a cause hides the context, which the original showed.
    set_cause(last, RemoteTraceback(text), hides_context=hides_context(last))


def _rebuilt(
    cls: type[BaseException], args: tuple[Any, ...], state: dict[str, Any], slots: dict[str, Any]
) -> BaseException:
    base = _built_in_base(cls)
    error: BaseException = base.__new__(cls, *args)
    # Fills what built-in exceptions keep outside args and __dict__: SystemExit.code, OSError.errno.
    try:
        base.__init__(error, *args)
    except TypeError:
        set_arguments(error, args)
    _restore(error, state, slots)
    return error


def _restore(error: BaseException, state: dict[str, Any], slots: dict[str, Any]) -> None:
    attributes = attributes_of(error)
    for name, value in state.items():
        # What built-in exceptions keep outside their __dict__: ImportError.name.
        built_in: Any = next(
            (base.__dict__[name] for base in built_in_bases(type(error)) if name in base.__dict__), None
        )
        if hasattr(type(built_in), "__set__"):
            built_in.__set__(error, value)
        else:
            attributes[name] = value
    for name, descriptor in _descriptors(type(error)):
        if name in slots:
            descriptor.__set__(error, slots[name])


def _parts(error: BaseException) -> tuple[type, tuple[Any, ...], dict[str, Any], dict[str, Any]]:
    """Undone by `_rebuilt`."""
    cls = type(error)
    # Says more than args: the file name of an OSError, the name of an ImportError.
    reduced = _built_in_base(cls).__reduce__(error)
    state = dict(attributes_of(error))
    if len(reduced) > 2 and isinstance(reduced[2], dict):
        state.update(reduced[2])
    return cls, reduced[1], state, _slots(error)  # type: ignore[return-value]


def _slots(error: BaseException) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, descriptor in _descriptors(type(error)):
        try:
            values[name] = descriptor.__get__(error)
        except AttributeError:  # nothing has been put there
            continue
    return values


def _descriptors(cls: type) -> Iterator[tuple[str, Any]]:
    """What reads and sets the slots of a class, each by a name of its own."""
    for depth, (_, namespace) in enumerate(made_classes(cls)):
        for name, descriptor in namespace.items():
            if type(descriptor) is MemberDescriptorType:
                yield f"{depth} {name}", descriptor


def _built_in_base(cls: type[BaseException]) -> type[BaseException]:
    base: type[BaseException] = built_in_bases(cls)[0]
    return base


def _defines(cls: type, *names: str) -> bool:
    return any(name in namespace for _, namespace in made_classes(cls) for name in names)


def _notes(error: BaseException) -> list[str]:
    notes = attributes_of(error).get("__notes__")
    return [str.__str__(note) for note in notes if isinstance(note, str)] if isinstance(notes, list) else []


def _format(error: BaseException) -> str:
    try:
        from poolifier.error_text import format_error

        return format_error(error)
    except BaseException:  # noqa: BLE001 - importing it may be what fails
        return f"{type_name_of(error)}: {text_of(error)}\n"
