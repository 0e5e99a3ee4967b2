"""Things that do harm while they are pickled or unpickled: their own task fails and is named, nobody else notices."""

import asyncio
import os
import signal
import sys
import time

import pytest

from poolifier import (
    FixedProcessPool,
    RemoteError,
    SerializationError,
    TaskTimeoutError,
    WorkerCrashedError,
    send_message,
)

pytestmark = pytest.mark.usefixtures("no_leaks")


def act(way):
    """Does harm to whoever calls it."""
    if way == "raise":
        raise LookupError("not today")
    if way == "exit":
        sys.exit(5)
    if way == "interrupt":
        raise KeyboardInterrupt
    if way == "close":
        raise GeneratorExit
    if way == "deep":
        act(way)
    if way == "die":
        os._exit(7)
    if way == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if way == "sleep":
        time.sleep(600)
    return "harmless"


class HarmsPickler:
    def __init__(self, way):
        self.way = way

    def __reduce__(self):
        return (str, (act(self.way),))


class HarmsUnpickler:
    def __init__(self, way):
        self.way = way

    def __reduce__(self):
        return (act, (self.way,))


class HarmsPicklerError(Exception):
    def __reduce__(self):
        return (str, (act(self.args[0]),))


class HarmsUnpicklerError(Exception):
    def __reduce__(self):
        return (act_elsewhere, (self.args[0], os.getpid()))


def act_elsewhere(way, pid):
    # A worker tries whether an error can be read before it sends it.
    return act(way) if os.getpid() != pid else HarmsUnpicklerError(way)


def take(_):
    return "taken"


def give(name_and_way):
    name, way = name_and_way
    return globals()[name](way)


async def give_async(name_and_way):
    return give(name_and_way)


def throw(name_and_way):
    name, way = name_and_way
    raise globals()[name](way)


def tell(name_and_way):
    name, way = name_and_way
    send_message(globals()[name](way))
    return "told"


RAISED = ["raise", "exit", "interrupt", "close", "deep"]
DEADLY = ["die", "kill"]
FUNCTIONS = {"take": take, "give": give, "throw": throw, "tell": tell, "echo": str}


@pytest.mark.parametrize("functions", [FUNCTIONS, FUNCTIONS | {"give": give_async}], ids=["plain", "async"])
def test_each_harms_its_own_task_alone(endure, functions):
    messages = []
    cases = [(HarmsPickler(way), "take", SerializationError) for way in RAISED]
    cases += [(HarmsUnpickler(way), "take", SerializationError) for way in RAISED]
    cases += [(HarmsUnpickler(way), "take", WorkerCrashedError) for way in DEADLY]
    cases += [(("HarmsPickler", way), "give", SerializationError) for way in RAISED]
    cases += [(("HarmsPickler", way), "give", WorkerCrashedError) for way in DEADLY]
    cases += [(("HarmsUnpickler", way), "give", SerializationError) for way in RAISED]
    cases += [(("HarmsPicklerError", way), "throw", RemoteError) for way in RAISED]
    cases += [(("HarmsPicklerError", way), "throw", WorkerCrashedError) for way in DEADLY]
    cases += [(("HarmsUnpicklerError", way), "throw", RemoteError) for way in RAISED]
    cases += [(("HarmsUnpickler", way), "tell", None) for way in RAISED]

    async def main(guard):
        options = {"restart_limit": None, "message_handler": lambda _, message: messages.append(message)}
        async with FixedProcessPool(2, functions, preload=True, **options) as pool:
            for data, name, expected in cases:
                harmful = pool.execute(data, name)
                others = [pool.execute(number, "echo") for number in range(6)]
                [outcome] = await guard.outcomes([harmful])
                assert await guard.outcomes(others) == [str(number) for number in range(6)]
                if expected is None:
                    assert outcome == "told"
                    continue
                assert type(outcome) is expected, (data, name, repr(outcome))
                if expected is not RemoteError:
                    assert (outcome.task_id, outcome.task_name) == (harmful.task_id, name)
                    assert f"task {harmful.task_id}" in str(outcome)
                    assert repr(name) in str(outcome)
            await guard.healthy(pool)
            assert pool.info.failed_tasks == sum(expected is not None for _, _, expected in cases)

    endure(main)
    assert [type(message) for message in messages] == [SerializationError] * len(RAISED)


def test_items_of_a_map_each_harm_themselves_alone(endure):
    async def main(guard):
        async with FixedProcessPool(2, take, restart_limit=None) as pool:
            items = [HarmsPickler("raise"), 1, HarmsUnpickler("exit"), 2, HarmsUnpickler("die"), 3]
            outcomes = await pool.map_execute(items, return_exceptions=True, chunksize=1)
            names = [type(outcome).__name__ for outcome in outcomes]
            serialization = "SerializationError"
            assert names == [serialization, "str", serialization, "str", "WorkerCrashedError", "str"]
            assert {outcome.task_name for outcome in outcomes[0::2]} == {"take"}
            await guard.healthy(pool)

    endure(main)


def test_what_unpickles_for_a_long_time_can_be_limited_and_holds_up_nobody(endure):
    async def main(guard):
        async with FixedProcessPool(2, {"take": take, "echo": str}, abort_grace=60) as pool:
            pids = {node.pid for node in pool.worker_nodes}
            slow = pool.execute(HarmsUnpickler("sleep"), "take", timeout=0.3)
            unwanted = pool.execute(HarmsUnpickler("sleep"), "take")
            others = [pool.execute(number, "echo") for number in range(20)]
            await asyncio.wait([slow])
            unwanted.cancel()
            outcomes = await guard.outcomes([slow, unwanted, *others])
            assert type(outcomes[0]) is TaskTimeoutError
            assert type(outcomes[1]) is asyncio.CancelledError
            assert outcomes[2:] == [str(number) for number in range(20)]
            await guard.healthy(pool)
            assert {node.pid for node in pool.worker_nodes} == pids, "an abort ended a worker"

    endure(main)


def test_data_whose_pickling_submits_a_task(endure):
    async def main(guard):
        async with FixedProcessPool(2, {"take": take, "echo": str}) as pool:
            inner = []

            class Submits:
                def __reduce__(self):
                    inner.append(pool.execute(len(inner), "echo"))
                    return (str, ("harmless",))

            outcomes = await guard.outcomes([pool.execute(Submits(), "take") for _ in range(50)])
            assert outcomes == ["taken"] * 50
            assert await guard.outcomes(inner) == [str(number) for number in range(len(inner))]
            await guard.healthy(pool)

    endure(main)


def make(kind_and_size):
    kind, size = kind_and_size
    return {"bytes": b"x", "str": "x", "list": [b"x" * (1 << 20)]}[kind] * size


@pytest.mark.long
@pytest.mark.parametrize(("kind", "size"), [("bytes", (2 << 30) + 5), ("str", (2 << 30) + 5)])
def test_more_than_two_gibibytes(endure, kind, size):
    async def main(guard):
        async with FixedProcessPool(1, {"make": make, "len": len}) as pool:
            [made] = await guard.outcomes([pool.execute((kind, size), "make")])
            assert len(made) == size
            assert made[:3] == made[-3:]
            assert await pool.execute(made, "len") == size
            del made
            await guard.healthy(pool)

    endure(main, 300)
