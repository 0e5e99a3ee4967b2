"""What type checkers make of task functions: what they take, and what the caller of `execute` gets.

Workers import this, and importing `typing` takes longer than all that they need: at run time this is next to nothing.
"""

from __future__ import annotations

from types import GenericAlias

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from typing import Any, Generic, TypeAlias

    from typing_extensions import TypeVar

    # What nobody can tell is Any. The bound lets the body of a lambda do anything with its argument, too.
    DataT = TypeVar("DataT", bound=Any, default=Any, contravariant=True)
    ResponseT = TypeVar("ResponseT", default=Any, covariant=True)

    class Typed(Generic[DataT, ResponseT]):
        """The base of what has type parameters: the data of tasks, and what their callers get."""

    AsyncOrGenerator: TypeAlias = (
        Callable[[DataT], Coroutine[Any, Any, ResponseT]]
        | Callable[[DataT], AsyncIterator[ResponseT]]
        | Callable[[DataT], Iterator[ResponseT]]
        | Callable[[], Coroutine[Any, Any, ResponseT]]
        | Callable[[], AsyncIterator[ResponseT]]
        | Callable[[], Iterator[ResponseT]]
    )
    """Functions whose callers get what comes out of that which a call returns."""

    # The same of a function that a call gives in place of a name, whatever its pool's own are.
    GivenT = TypeVar("GivenT")
    ResultT = TypeVar("ResultT")
else:
    DataT = ResponseT = None

    class Typed:
        """The base of what has type parameters."""

        __class_getitem__ = classmethod(GenericAlias)


__all__ = ["DataT", "ResponseT", "Typed"]
