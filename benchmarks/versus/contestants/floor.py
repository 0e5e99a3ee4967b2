"""What no pool under asyncio can beat.

Latency: a byte over a socket to another process and back, without pickle. Throughput: futures that are resolved in
the next turn of the loop, in this process: what asyncio and the clients of the scenario cost by themselves. Work:
the function itself, called in place, and by processes that have all their calls from the start. Data: one copy of it.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import socket
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.versus.contestants import Opened, contestant

ECHO = """
import os, sys
fd = int(sys.argv[1])
while data := os.read(fd, 64):
    os.write(fd, data)
"""


@contestant("socketpair", "floor: a byte over a socketpair", scenarios={"latency", "latency_uvloop"})
@asynccontextmanager
async def socketpair(_function: Callable[[Any], Any], _workers: int) -> AsyncIterator[Opened]:
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    waiting: list[asyncio.Future[Any]] = []
    sent: list[Any] = []

    def submit(data: Any) -> Awaitable[Any]:
        future: asyncio.Future[Any] = loop.create_future()
        waiting.append(future)
        sent.append(data)
        ours.send(b".")
        return future

    def received() -> None:
        # One at a time, which is all that the latency scenario asks for.
        if ours.recv(64):
            waiting.pop().set_result(sent.pop())

    command = [sys.executable, "-c", ECHO, str(theirs.fileno())]
    with ours, subprocess.Popen(command, pass_fds=[theirs.fileno()]):  # noqa: ASYNC220 - before anything is timed
        theirs.close()
        loop.add_reader(ours, received)
        try:
            yield Opened(submit)
        finally:
            loop.remove_reader(ours)
            ours.close()  # the echo ends with it


@contestant("asyncio", "floor: asyncio alone, in this process", scenarios={"throughput", "turns"})
@asynccontextmanager
async def asyncio_alone(function: Callable[[Any], Any], _workers: int) -> AsyncIterator[Opened]:
    loop = asyncio.get_running_loop()
    submitted: list[tuple[asyncio.Future[Any], Any]] = []

    def resolve() -> None:
        batch = submitted.copy()
        submitted.clear()
        for future, data in batch:
            future.set_result(function(data))

    def submit(data: Any) -> Awaitable[Any]:
        future: asyncio.Future[Any] = loop.create_future()
        if not submitted:
            loop.call_soon(resolve)
        submitted.append((future, data))
        return future

    yield Opened(submit)


@contestant("inline", "floor: called in place", scenarios={"cpu"})
@asynccontextmanager
async def inline(function: Callable[[Any], Any], _workers: int) -> AsyncIterator[Opened]:
    async def submit(data: Any) -> Any:
        return function(data)

    yield Opened(submit)


@contestant("processes", "floor: bare processes that have their calls from the start", scenarios={"cpu"})
@asynccontextmanager
async def processes(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Opened]:
    loop = asyncio.get_running_loop()
    context = multiprocessing.get_context("fork")
    ends = [socket.socketpair() for _ in range(workers)]
    waiting: list[deque[asyncio.Future[Any]]] = [deque() for _ in range(workers)]
    turns = itertools.cycle(range(workers))

    def submit(data: Any) -> Awaitable[Any]:
        future: asyncio.Future[Any] = loop.create_future()
        turn = next(turns)
        waiting[turn].append(future)
        ends[turn][0].send(data.to_bytes(8))
        return future

    def received(turn: int) -> None:
        for _ in ends[turn][0].recv(64):
            waiting[turn].popleft().set_result(None)

    children = [context.Process(target=_run, args=(function, theirs, ours)) for ours, theirs in ends]
    for child in children:
        child.start()
    for turn, (ours, theirs) in enumerate(ends):
        theirs.close()
        loop.add_reader(ours, received, turn)
    try:
        yield Opened(submit)
    finally:
        for (ours, _), child in zip(ends, children, strict=True):
            loop.remove_reader(ours)
            ours.close()
            child.terminate()
            child.join()


def _run(function: Callable[[int], Any], end: socket.socket, other: socket.socket) -> None:
    other.close()
    while data := end.recv(8, socket.MSG_WAITALL):
        function(int.from_bytes(data))
        end.send(b".")


@contestant("memcpy", "floor: one memcpy", scenarios={"echo", "array"})
@asynccontextmanager
async def memcpy(_function: Callable[[Any], Any], _workers: int) -> AsyncIterator[Opened]:
    target = bytearray()

    async def submit(data: Any) -> Any:
        nonlocal target
        view = memoryview(data).cast("B")
        if len(target) != len(view):
            target = bytearray(view)  # once: what it costs to get the memory is not the copy
        memoryview(target)[:] = view  # straight into it; by itself a bytearray would copy twice
        return data

    yield Opened(submit)
