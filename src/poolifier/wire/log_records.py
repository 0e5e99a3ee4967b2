"""How a log record travels: as plain values, with its message and its traceback already text.

What the caller has passed as `extra` goes along. Each such value has a pickle of its own, so one that cannot be
pickled or read costs nothing but itself: its `repr`, or what was wrong with it, is there instead.
"""

from __future__ import annotations

import os

from poolifier.wire import codec
from poolifier.wire.frames import FrameError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

__all__ = ["pack_record", "unpack_record"]

_NONE: Final = type(None)
_FIELDS: Final[dict[str, tuple[type, ...]]] = {
    "name": (str,),
    "levelno": (int,),
    "levelname": (str,),
    "msg": (str,),
    "pathname": (str,),
    "lineno": (int,),
    "funcName": (str, _NONE),
    "created": (float,),
    "exc_text": (str, _NONE),
    "stack_info": (str, _NONE),
    "process": (int, _NONE),
    "processName": (str, _NONE),
    "thread": (int, _NONE),
    "threadName": (str, _NONE),
    "taskName": (str, _NONE),
    "task_id": (int, _NONE),
    "task_name": (str, _NONE),
}
"""What every record has, and of which types it may be."""

_DERIVED: Final = frozenset(
    {
        "args",
        "asctime",
        "exc_info",
        "filename",
        "message",
        "module",
        "msecs",
        "pool_name",
        "relativeCreated",
        "worker_id",
    }
)
_FOREVER: Final = 1e12


def pack_record(fields: Mapping[str, Any], extra: Mapping[str, Any]) -> tuple[Any, ...]:
    """The body of a LOG message; `fields` are those of a record, and `extra` is what its caller has added."""
    plain: dict[str, Any] = {}
    pickled: dict[str, bytes] = {}
    for name, value in extra.items():
        if name in _FIELDS or name in _DERIVED or type(name) is not str:
            continue
        if codec.is_inline(value):
            plain[name] = value
            continue
        try:
            pickled[name] = codec.encode(value)
        except Exception:  # noqa: BLE001 - whatever it is, the record is not to be lost for it
            plain[name] = repr(value)
    values = [fields.get(name) for name in _FIELDS]
    # Subclasses of the types that are expected are not worth their pickles.
    values = [str(value) if isinstance(value, str) else value for value in values]
    return (values, plain, pickled)


def unpack_record(body: Any) -> dict[str, Any]:
    """The attributes of the record in a LOG message.

    Raises:
        FrameError: There is none.
    """
    attributes: dict[str, Any] = {}
    plain: Any = None
    pickled: Any = None
    try:
        values, plain, pickled = body
        attributes = dict(zip(_FIELDS, values, strict=True))
        right = (
            all(type(attributes[name]) in types for name, types in _FIELDS.items())
            and 0.0 <= attributes["created"] < _FOREVER
            and type(plain) is type(pickled) is dict
            and {type(name) for name in (*plain, *pickled)} <= {str}
            and all(map(codec.is_inline, plain.values()))
            and {type(payload) for payload in pickled.values()} <= {bytes}
        )
    except (TypeError, ValueError):
        right = False
    if not right:
        raise FrameError(f"expected a log record, got {repr(body)[:80]}")
    extra = {name: value for name, value in plain.items() if name not in _FIELDS}
    for name, payload in pickled.items():
        if name in _FIELDS:
            continue
        try:
            extra[name] = codec.decode(payload)
        except BaseException as error:  # noqa: BLE001 - a value's own code ran, and it must not end the pool's loop
            extra[name] = f"(cannot be unpickled: {codec.describe(error)})"
    filename = os.path.basename(attributes["pathname"])  # noqa: PTH119 - pathlib takes long to import
    module = os.path.splitext(filename)[0]  # noqa: PTH122
    return {**extra, **attributes, "filename": filename, "module": module}
