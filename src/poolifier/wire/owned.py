"""Copies that own their memory: `bytes` and `bytearray` objects, filled from shared memory.

Memory as large as this is fresh from the system each time. Getting its pages one by one takes four
times as long as filling them, so where the system has huge pages it is asked for those first.
"""

from __future__ import annotations

import mmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, TypeAlias

__all__ = ["HUGE", "Owned", "copied_out", "unfilled"]

HUGE: Final = 8 << 20
"""Bytes from which huge pages are asked for."""

Owned: TypeAlias = "type[bytes | bytearray]"

_PAGE: Final = mmap.PAGESIZE
_HUGE_PAGES: Final[int | None] = getattr(mmap, "MADV_HUGEPAGE", None)
_WRITABLE: Final = 0x200  # PyBUF_WRITE

_calls: list[Any] = []


def copied_out(view: memoryview, kind: Owned) -> bytes | bytearray:
    """The bytes, as an object that owns them."""
    if view.nbytes < HUGE:
        return kind(view)
    result: bytes | bytearray
    result, room = unfilled(kind, view.nbytes)
    room[:] = view
    room.release()
    return result


def unfilled(kind: Owned, length: int) -> tuple[Any, memoryview]:
    """A new object of that length, and where its bytes are to be written, all of them, before anyone sees it.

    Raises:
        MemoryError: There is no room for it.
    """
    new_bytes, address_of, view_of, new_bytearray, advise = _calls or _load()
    if kind is bytes:
        result = new_bytes(None, length)
        start = address_of(result)
        room = view_of(start, length, _WRITABLE)
    else:
        result = new_bytearray(None, length)
        room = memoryview(result)
        start = _start_of(room)
    if advise is not None and _HUGE_PAGES is not None:
        first, end = -(-start // _PAGE) * _PAGE, (start + length) // _PAGE * _PAGE
        # Advice: it does no harm where it is not taken.
        advise(first, end - first, _HUGE_PAGES)
    return result, room


def _start_of(room: memoryview) -> int:
    import ctypes

    return ctypes.addressof(ctypes.c_ubyte.from_buffer(room))


def _load() -> list[Any]:
    # Importing ctypes takes a worker some milliseconds, and most never need it.
    import ctypes

    number, size, thing = ctypes.c_void_p, ctypes.c_ssize_t, ctypes.py_object
    python = ctypes.pythonapi
    _calls[:] = [
        ctypes.PYFUNCTYPE(thing, ctypes.c_char_p, size)(("PyBytes_FromStringAndSize", python)),
        ctypes.PYFUNCTYPE(number, thing)(("PyBytes_AsString", python)),
        ctypes.PYFUNCTYPE(thing, number, size, ctypes.c_int)(("PyMemoryView_FromMemory", python)),
        ctypes.PYFUNCTYPE(thing, ctypes.c_char_p, size)(("PyByteArray_FromStringAndSize", python)),
        _advice(),
    ]
    return _calls


def _advice() -> Any:
    import ctypes

    try:
        library = ctypes.CDLL(None)
        return ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)(("madvise", library))
    except (OSError, AttributeError):
        return None
