"""Makes asyncio tasks that begin in a later turn of their event loop, whatever its task factory is.

With `asyncio.eager_task_factory` (Python 3.12) a task runs up to its first `await` while it is being made. Who made it
does not know it yet, so nobody could cancel it there. In a worker it would begin where no event loop runs, as far as
its code can tell (see `outside_loop`).
"""

from __future__ import annotations

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextvars import Context
    from typing import Any, TypeVar

    ResultT = TypeVar("ResultT")

__all__ = ["create_lazy_task"]


def create_lazy_task(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, ResultT],
    context: Context | None = None,
    name: str | None = None,
) -> asyncio.Task[ResultT]:
    """Makes a task of that loop and name, in that context or a copy of the caller's.

    A task factory is not asked: it may be an eager one, and only since Python 3.14 can it be told not to be.
    """
    return asyncio.Task(coroutine, loop=loop, name=name, context=context)
