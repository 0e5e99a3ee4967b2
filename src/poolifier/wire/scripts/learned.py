"""What pickles of data find out about types, so that the next ones of these take little longer than `pickle`."""

from __future__ import annotations

import copyreg
import pickle
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

from poolifier.wire.scripts.pickler import named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import BytesIO
    from typing import Any, Final

__all__ = ["Learned", "Repeating", "UnknownError"]

_BY_INSTANCE: Final = frozenset({MethodType, BuiltinFunctionType})
"""Types of which one object may be pickled otherwise than another."""

_MOST: Final = 1000
"""Types, or functions and classes, that are remembered: those of a program, not of one that makes them as it goes."""

_HEAP_TYPE: Final = 1 << 9
"""Set in `__flags__` of classes that Python code made."""

_PLAIN: Final[tuple[Any, Any]] = (object.__reduce_ex__, object.__reduce__)


class UnknownError(Exception):
    """There is something in a value of which nothing has been learned."""


class Learned:
    """What pickles have found out. It holds until a name is rebound.

    Whether a name still leads to its object is looked at by `pickle` itself, each time.

    Attributes:
        plain: Types whose instances need nothing but `pickle`, by identity.
        own: Types whose instances go by their own way, which gives no name.
        named: Functions and classes that go by their name, and that the other side has.
    """

    __slots__ = ("named", "own", "plain")

    def __init__(self) -> None:
        self.plain: dict[int, type] = {}
        self.own: dict[int, type] = {}
        self.named: dict[int, Any] = {}

    def learn(self, obj: Any, kind: type, reduced: Any, extra: Mapping[type, Any] | None) -> None:
        """Takes down how an object is pickled, if the next one of its kind is pickled likewise."""
        key: Any = kind
        if kind is FunctionType or isinstance(obj, type):
            table, key = self.named, obj
            lasting = reduced is NotImplemented
        elif kind in _BY_INSTANCE or kind in copyreg.dispatch_table or (extra is not None and kind in extra):
            return
        elif kind.__reduce_ex__ is _PLAIN[0] and kind.__reduce__ is _PLAIN[1]:
            table = self.plain
            lasting = reduced is NotImplemented and "__call__" not in kind.__dict__ and not issubclass(kind, ModuleType)
        else:
            table = self.own
            lasting = type(reduced) is tuple and (kind is partial or bool(kind.__flags__ & _HEAP_TYPE))
        if lasting and (key is obj or named(kind) is not None):
            # Those that no name leads to are not kept: somebody makes them as they go.
            if len(table) >= _MOST:
                table.clear()
            table[id(key)] = key

    def forget(self) -> None:
        """Begins anew."""
        self.plain.clear()
        self.own.clear()
        self.named.clear()


class Repeating(pickle.Pickler):
    """Pickles what consists of what is known, as `pickle` does.

    Raises:
        UnknownError: Something is new, for which a `Pickler` is needed.
    """

    def __init__(self, file: BytesIO, keep: Any, learned: Learned) -> None:
        super().__init__(file, 5, buffer_callback=keep)
        self._learned = learned

    def reducer_override(self, obj: Any) -> Any:
        """See `pickle.Pickler`."""
        kind = type(obj)
        learned = self._learned
        if learned.plain.get(id(kind)) is kind or learned.named.get(id(obj)) is obj:
            return NotImplemented
        if learned.own.get(id(kind)) is kind:
            reduced = obj.__reduce_ex__(5)
            if type(reduced) is tuple:
                return reduced
        elif (kind is MethodType and "." not in obj.__func__.__name__) or kind is BuiltinFunctionType:
            return NotImplemented
        raise UnknownError
