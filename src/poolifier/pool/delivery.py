"""Wakes all who wait for results that came together in one step of the event loop.

A future that is settled has its event loop call those who wait for it. asyncio makes a handle for each call, in Python,
which takes about as long as what the scheduler does for a task.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeAlias

__all__ = ["Delivery"]

_Call: TypeAlias = tuple[Callable[[Any], object], Any, Context]


class Delivery:
    """What the futures of tasks take for their event loop: it has all that a future asks of one.

    Between `open` and `close`, within one step of the loop, calls are collected. They are made in one handle, in the
    turn in which the loop would have made them by handles of their own, and in their order; what else is scheduled
    between them runs after them. Handles of their own they have where the loop is to debug, for then it tells which of
    them is slow.

    Args:
        loop: The event loop.
        driver: What drives the pool that the futures are of: they know it by this.

    Attributes:
        driver: The same.
    """

    __slots__ = ("_calls", "_collecting", "_debug", "_loop", "driver")

    def __init__(self, loop: asyncio.AbstractEventLoop, driver: object) -> None:
        self._loop = loop
        self._debug = loop.get_debug()
        self.driver: object = driver
        self._collecting = False
        self._calls: deque[_Call] | None = None

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop; it is what their `get_loop` returns."""
        return self._loop

    def open(self) -> None:
        """From here on calls are collected."""
        self._debug = self._loop.get_debug()
        self._collecting = not self._debug

    def close(self) -> None:
        """What comes from here on is not made together with what was collected."""
        self._collecting = False
        self._calls = None

    # ---- what a future asks of its event loop ------------------------------------------------------

    def call_soon(self, callback: Callable[[Any], object], argument: Any, *, context: Context | None = None) -> None:
        """See `asyncio.loop.call_soon`. Futures give a single argument, and make nothing of the handle."""
        if not self._collecting or context is None:
            self._loop.call_soon(callback, argument, context=context)
            return
        calls = self._calls
        if calls is None:
            # Now, so that what is scheduled after the first of them runs after them.
            calls = self._calls = deque()
            self._loop.call_soon(self._make, calls)
        calls.append((callback, argument, context))

    def get_debug(self) -> bool:
        """See `asyncio.loop.get_debug`. As of the last replies, for every future asks."""
        return self._debug

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """See `asyncio.loop.call_exception_handler`."""
        self._loop.call_exception_handler(context)

    # ---- inside -----------------------------------------------------------------------------------

    def _make(self, calls: deque[_Call]) -> None:
        if calls is self._calls:
            # The loop turns in the middle of a step, as nested loops do: nobody would make what came to these now.
            self._calls = None
        # For what is left by a callback that ends the loop, or in which the loop turns until one of them is made.
        rest = self._loop.call_soon(self._make, calls) if len(calls) > 1 else None
        while calls:
            # Each is let go of before the next one, and with it the result.
            callback, argument, context = calls.popleft()
            try:
                context.run(callback, argument)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001 - a done-callback's own, which harms nobody else
                # In its context, where asyncio has handlers look for whose it was.
                context.run(
                    self._loop.call_exception_handler,
                    {"message": f"Exception in callback {callback!r}", "exception": error, "future": argument},
                )
        if rest is not None:
            rest.cancel()
