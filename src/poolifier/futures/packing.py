"""How calls travel to workers that share no objects with this process. `poolifier.worker.calls` opens them."""

from __future__ import annotations

from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final
from weakref import ref

from poolifier.wire.codec import FLAT, Kept, NeedsPoolError, encode, is_flat
from poolifier.worker.calls import MANAGED

__all__ = ["Packer"]

_IN_ARGUMENTS: Final = b""


class Packer:
    """Pickles calls. Functions, which are pickled once, are remembered for as long as somebody else has them."""

    def __init__(self) -> None:
        self._heads: dict[int, tuple[ref[Any], bytes]] = {}

    def pack(self, function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """The call as it is sent.

        Raises:
            BaseException: What pickling the function or an argument raised.
        """
        known = self._heads.get(id(function))
        head = known[1] if known is not None and known[0]() is function else self._head(function)
        if not head:
            arguments = (function, *arguments)
        elif not keywords and len(arguments) < FLAT and is_flat(arguments):
            return (head, *arguments)
        kept = Kept()
        try:
            payload = encode((arguments, keywords), kept)
        except NeedsPoolError:
            return [head, arguments, keywords]
        if not kept.buffers:
            return [head, payload]
        # What has to be read where the worker is prepared for it cannot have that way of its own.
        return [head, encode((arguments, keywords))] if MANAGED in payload else [head, arguments, keywords]

    def _head(self, function: Callable[..., Any]) -> bytes:
        kind = type(function)
        if kind is BuiltinFunctionType:
            # That of a method is the object whose method it is.
            lasting = isinstance(function.__self__, ModuleType | None)  # type: ignore[attr-defined]
        else:
            lasting = kind is FunctionType or isinstance(function, type)
        if not lasting:
            # It may hold anything, which may be another when it is called again.
            return _IN_ARGUMENTS
        head = encode(function)
        identity = id(function)
        self._heads[identity] = (ref(function, lambda _: self._heads.pop(identity, None)), head)
        return head
