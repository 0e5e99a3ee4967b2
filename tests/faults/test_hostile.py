"""What arrives from a worker is data: whatever it sends, that worker alone ends, and its task says why."""

import asyncio
import marshal
import os
import threading

import pytest

from poolifier import FixedProcessPool, WorkerCrashedError
from poolifier.backends import wire_channel
from poolifier.wire import frames, messages
from poolifier.worker import ledger
from poolifier.worker.current_task import current_session

pytestmark = pytest.mark.usefixtures("no_leaks")


def sabotage(way):
    """Sends what a worker never would, on its own connection."""
    session = current_session()
    link = session.link
    session.flush()
    generation = session.outbox._generation
    good = messages.message(messages.BULK, (generation, 0.0, 0.0, []))
    said = {
        "garbage": b"garbage " * 100,
        "no message": frames.frame(b"\x80\x05garbage"),
        "no replies": frames.frame(b"R" * 100),
        "replies of nothing": messages.message(messages.BULK, (generation, 0.0, 0.0, [None])),
        "replies that are none": messages.message(messages.BULK, "garbage"),
        "a parcel that is none": messages.message(messages.BULK, (generation, 0.0, 0.0, [(1, 0, None, 0.1, (1, 2))])),
        "an item of no stream": messages.message(
            messages.BULK, (generation, 0.0, 0.0, [(session.current, 5, "item", 0.0)])
        ),
        "doubled": good + good,
        "reordered": messages.message(messages.BULK, (generation + 1, 0.0, 0.0, [])) + good,
        "oversized": frames.HEADER.pack((0x504C << 48) | (1 << 40)),
        "truncated, and more behind it": good[:-5] + good * 10,
        "unknown": messages.message(77, None),
        "ready, of nothing": messages.message(messages.READY, None),
        "a function that nobody asked for": messages.message(messages.FUNCTION_ADDED, 5),
        "a log record that is none": messages.message(messages.LOG, "garbage"),
        "a log record of wrong types": messages.message(messages.LOG, ([0] * 17, {}, {})),
    }[way]
    link.send(said)
    threading.Event().wait(600)


WAYS = [
    "garbage",
    "no message",
    "no replies",
    "replies of nothing",
    "replies that are none",
    "a parcel that is none",
    "an item of no stream",
    "doubled",
    "reordered",
    "oversized",
    "truncated, and more behind it",
    "unknown",
    "ready, of nothing",
    "a function that nobody asked for",
    "a log record that is none",
    "a log record of wrong types",
]


def test_whatever_a_worker_sends_it_ends_alone(endure):
    async def main(guard):
        functions = {"sabotage": sabotage, "echo": str}
        async with FixedProcessPool(2, functions, restart_limit=None, preload=True) as pool:
            for way in WAYS:
                harmed = pool.execute(way, "sabotage")
                others = [pool.execute(number, "echo") for number in range(50)]
                [error] = await guard.outcomes([harmed])
                assert isinstance(error, WorkerCrashedError), (way, error)
                assert "its connection was garbled" in str(error), way
                assert (error.task_id, error.task_name) == (harmed.task_id, "sabotage")
                assert await guard.outcomes(others) == [str(number) for number in range(50)]
            await guard.healthy(pool)
            assert pool.info.failed_tasks == len(WAYS)

    endure(main)


def stop_in_a_frame(_):
    session = current_session()
    session.link.send(frames.header(1000) + b"R")
    threading.Event().wait(600)


def test_a_frame_that_stops_in_the_middle_ends_its_worker(endure, monkeypatch):
    monkeypatch.setattr(wire_channel, "_PATIENCE", 0.3)

    async def main(guard):
        async with FixedProcessPool(1, stop_in_a_frame) as pool:
            [error] = await guard.outcomes([pool.execute()])
            assert isinstance(error, WorkerCrashedError)
            assert "stands unfinished" in str(error)
            await guard.healthy(pool)

    endure(main)


def test_a_worker_that_is_stopped_for_a_while_in_a_large_reply_is_not_taken_for_one(endure, monkeypatch):
    monkeypatch.setattr(wire_channel, "_PATIENCE", 0.2)

    async def main(guard):
        # A string is no buffer, so it goes through the connection where there is no shared memory.
        async with FixedProcessPool(1, lambda size: "x" * size) as pool:
            assert [len(text) for text in await guard.outcomes([pool.execute(30 << 20)])] == [30 << 20]
            await guard.healthy(pool)

    endure(main)


def truncate(_):
    """Truncates whatever this process has open, as a wild program might."""
    refused = 0
    for fd in range(3, 100):
        try:
            os.ftruncate(fd, 0)
        except PermissionError:
            refused += 1
        except OSError:
            continue
    return refused


def scribble(numbers):
    """Says of the outbox what is not so, and dies."""
    start, end, values, *form = numbers
    slots = current_session().ledger.slots
    if form:
        slots[ledger.FORM_LENGTH] = form[0]
    slots[ledger.RUN_AFTER] = slots[ledger.COUNT]
    slots[ledger.RUN_START], slots[ledger.RUN_END] = start, end
    if values:
        current_session().ledger.memory[start:end] = values
    os._exit(1)


@pytest.mark.once
@pytest.mark.parametrize(
    "numbers",
    [
        (1 << 40, 1 << 41, b""),
        (1 << 63, (1 << 64) - 1, b""),
        (ledger.SIZE, ledger.SIZE + 1, b""),
        (5000, 5008, b"garbage!"),
        (0, 0, b"", (1 << 64) - 1),
        (ledger.FORM_START, ledger.FORM_START + 8, b"garbage!", 8),
        (ledger.FORM_START, ledger.FORM_START + 9, marshal.dumps(("q", None), 2)[:9], 9),
    ],
)
def test_a_run_of_results_that_is_none_is_not_believed(endure, numbers):
    async def main(guard):
        reported = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
        async with FixedProcessPool(1, scribble) as pool:
            [error] = await guard.outcomes([pool.execute(numbers)])
            assert isinstance(error, WorkerCrashedError)
            await guard.healthy(pool)
        assert reported == []

    endure(main)


def test_shared_memory_cannot_be_truncated(endure):
    async def main(guard):
        async with FixedProcessPool(1, {"truncate": truncate, "echo": bytes}) as pool:
            data = os.urandom(1 << 20)
            assert await pool.execute(data, "echo") == data
            [refused] = await guard.outcomes([pool.execute(None, "truncate")])
            # Both directions of the large data.
            assert refused >= 2
            assert await pool.execute(data, "echo") == data
            await guard.healthy(pool)

    endure(main)
