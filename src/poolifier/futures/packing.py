"""How calls travel to workers that share no objects with this process. `poolifier.worker.calls` opens them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import is_
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final
from weakref import ref

from poolifier.wire.codec import FLAT, Kept, NeedsPoolError, encode, is_flat
from poolifier.wire.scripts.active import active
from poolifier.wire.scripts.definitions import Definitions

__all__ = ["Packed", "Packer"]

_IN_ARGUMENTS: Final = b""
_EMPTY: Final = object()

MANAGED: Final = b"multiprocessing.managers"
"""Found in the pickle of a proxy, which connects to its manager as it is read."""


KEYED: Final = b"keyed"
"""Found in the pickle of what refers to a class by its number."""


class LastingCall(list["Any"]):
    """A packed call with what it was packed from, which is there for as long as the call."""

    __slots__ = ("_arguments",)

    def __init__(self, packed: Iterable[Any], arguments: object) -> None:
        super().__init__(packed)
        self._arguments = arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)


class Packed:
    """A call that was pickled by the thread that makes it, which is importing a module.

    To pickle a function of that module is to import it, for which the engine's thread would wait until the import ends,
    while the import waits for the result.
    """

    __slots__ = ("_data", "_error")

    def __init__(self, data: Any, error: BaseException | None = None) -> None:
        self._data = data
        self._error = error

    def __call__(self) -> None:
        """Stands for a function, and is none."""

    def data(self) -> Any:
        """The call as it is sent; raises what pickling it raised."""
        if self._error is not None:
            raise self._error
        return self._data


class Packer:
    """Pickles calls. Functions, which are pickled once, are remembered for as long as somebody else has them.

    Attributes:
        definitions: Those of the pool, once it has any: what the program's scripts define.
    """

    def __init__(self) -> None:
        self._heads: dict[int, tuple[ref[Any], bytes, tuple[Any, ...]]] = {}
        # Functions, by identity, that refer to classes which workers have for as long as this process has them.
        self._holding: set[int] = set()
        self._renewed = 0
        self.definitions: Definitions | None = None

    def look(self) -> None:
        """To be called before calls are packed: names of a script may mean other objects than before."""
        definitions = self.definitions
        if definitions is not None:
            definitions.look()
            if definitions.renewed != self._renewed:
                self._renewed = definitions.renewed
                self._heads.clear()
                self._holding.clear()

    def pack(self, function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """The call as it is sent.

        Raises:
            BaseException: What pickling the function or an argument raised.
        """
        before, active.definitions = active.definitions, self.definitions
        try:
            return self._packed(function, arguments, keywords)
        finally:
            active.definitions = before

    def _packed(self, function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        known = self._heads.get(id(function))
        if known is not None and known[0]() is function and (not known[2] or _is_same(known[2], function)):
            head = known[1]
        else:
            head = self._head(function)
        if not head:
            arguments = (function, *arguments)
        elif (
            not keywords
            and len(arguments) < FLAT
            and is_flat(arguments)
            and not (self._holding and self._holds(function))
        ):
            return (head, *arguments)
        kept = Kept()
        try:
            payload = encode((arguments, keywords), kept)
        except NeedsPoolError:
            return [head, arguments, keywords]
        if kept.buffers:
            return [head, arguments, keywords]
        if MANAGED in payload or KEYED in payload or self._holds(function):
            # What a manager holds is gone with the last proxy that refers to it, which may be the call's. So is the
            # definition of a class without a name, before the call that needs it is sent.
            return LastingCall((head, payload), (function, arguments, keywords))
        return [head, payload]

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
        if KEYED in head:
            self._holding.add(identity)
        self._heads[identity] = (ref(function, lambda _: self._forget(identity)), head, _contents(function))
        return head

    def _holds(self, function: Callable[..., Any]) -> bool:
        return id(function) in self._holding

    def _forget(self, identity: int) -> None:
        self._heads.pop(identity, None)
        self._holding.discard(identity)


def _contents(function: Any) -> tuple[Any, ...]:
    """What a closure refers to."""
    cells = getattr(function, "__closure__", None)
    return () if cells is None else tuple(_content(cell) for cell in cells)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _EMPTY


def _is_same(contents: tuple[Any, ...], function: Any) -> bool:
    """Whether a closure refers to what it referred to when it was pickled."""
    return all(map(is_, contents, _contents(function)))
