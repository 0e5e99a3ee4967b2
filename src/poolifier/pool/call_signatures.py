"""What a call may give in place of a task function's name, as type checkers see it: they read this, nothing runs it.

A coroutine's caller gets what it returns, and a stream's reader what is yielded. Those that stand *alone* need no data.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from poolifier.signatures import GivenT, ResultT
    from poolifier.task_functions import TaskFunction

    Async: TypeAlias = Callable[[GivenT], Coroutine[Any, Any, ResultT]]
    AsyncAlone: TypeAlias = Callable[[], Coroutine[Any, Any, ResultT]] | Async[None, ResultT]

    Plain: TypeAlias = Callable[[GivenT], ResultT] | TaskFunction[GivenT, ResultT]
    PlainAlone: TypeAlias = Callable[[], ResultT] | Plain[None, ResultT]

    Generating: TypeAlias = (
        Callable[[GivenT], AsyncIterator[ResultT]]
        | Callable[[GivenT], Iterator[ResultT]]
        | TaskFunction[GivenT, ResultT]
    )
    GeneratingAlone: TypeAlias = (
        Callable[[], AsyncIterator[ResultT]] | Callable[[], Iterator[ResultT]] | Generating[None, ResultT]
    )
