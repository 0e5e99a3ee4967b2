"""Running a generator or an async generator for a stream in an event loop, where others run beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from poolifier.worker.outside_loop import step_outside
from poolifier.worker.session import Session
from poolifier.worker.streams import Stream, in_task

__all__ = ["run_async_generator", "run_generator"]


async def run_async_generator(stream: Stream, is_aborted: Callable[[], bool], sent: Callable[[], None]) -> None:
    """Sends what an async generator yields, until it ends; `sent` is called after each item."""
    generator = stream.open()
    try:
        while True:
            if not stream.credit:
                await _credit(stream)
            try:
                value = await anext(generator)
            except StopAsyncIteration:
                return
            if is_aborted():
                return  # it was cancelled, and would not have it
            stream.take(value)
            # One that never waits for anything must not keep the loop from its other work.
            if stream.send():
                await asyncio.sleep(0)
            sent()
    finally:
        await generator.aclose()


async def run_generator(
    stream: Stream,
    session: Session,
    loop: asyncio.AbstractEventLoop,
    enter: Callable[[], None],
    is_aborted: Callable[[], bool],
    sent: Callable[[], None],
) -> None:
    """Sends what a plain generator yields, until it ends; `enter` is called before each step of it.

    Each step runs in the loop's thread, like a plain function; between two of them others have their turn.
    """
    failure: BaseException | None = None
    try:
        while True:
            if not stream.credit:
                await _credit(stream)
            enter()
            failure = step_outside(loop, lambda: in_task(session, stream.sequence, stream.step))
            if failure is not None or stream.ended or session.aborted == stream.sequence:
                break
            if stream.send():
                await asyncio.sleep(0)
            sent()
    except asyncio.CancelledError as error:
        failure = error
    if is_aborted():
        # Closing it is all that is wanted now, so nothing is to be raised in what it does to clean up.
        session.aborted = stream.sequence
    enter()
    failure = step_outside(loop, partial(stream.close, failure))
    if failure is not None:
        try:
            raise failure
        finally:
            del failure  # its traceback has this frame


async def _credit(stream: Stream) -> None:
    """Waits until the stream has credit."""
    while not stream.credit:
        granted = asyncio.Event()
        stream.granted = granted.set
        try:
            await granted.wait()
        finally:
            stream.granted = None
