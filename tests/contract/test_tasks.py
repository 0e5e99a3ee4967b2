"""Tasks: results, order, errors, names, priorities, affinity, stealing, room, and the numbers that count them."""

import asyncio
import time

import pytest

from poolifier import PoolEvent, PoolNotStartedError, TaskFunction, UnknownTaskFunctionError
from tests.contract import tasks


def total(info):
    return info.executed_tasks + info.failed_tasks + info.aborted_tasks + info.executing_tasks + info.queued_tasks


@pytest.mark.usefixtures("nothing_left")
def test_results_arrive_where_they_belong(run, kind):
    async def main():
        async with kind.fixed(2, tasks.PLAIN) as pool:
            assert await asyncio.gather(*(pool.execute(n) for n in range(500))) == list(range(500))
            assert await pool.execute(None, "bare") == "bare"
            data = {"a": [1, 2]}
            assert await pool.execute(data) == data
            assert (await pool.execute(data) is data) == kind.by_reference
            assert pool.info.worker == kind.name
            assert pool.info.executed_tasks == 503 == total(pool.info)

    run(main())


def test_one_worker_keeps_the_order(run, kind):
    async def main():
        heard = []
        handle = lambda _, word: heard.append(word)  # noqa: E731
        async with kind.fixed(1, tasks.PLAIN, message_handler=handle) as pool:
            await asyncio.gather(*(pool.execute([n], "speak") for n in range(200)))
        assert heard == list(range(200))

    run(main())


def test_errors_arrive_as_themselves(run, kind):
    async def main():
        async with kind.fixed(1, tasks.ALL) as pool:
            mine = LookupError("mine", 3)
            with pytest.raises(LookupError) as caught:
                await pool.execute(mine, "raise_it")
            assert caught.value.args == ("mine", 3)
            assert (caught.value is mine) == kind.by_reference
            with pytest.raises(KeyError) as caught:
                await pool.execute("text", "raise_noted")
            assert caught.value.__notes__ == ["seen at dawn"]
            assert isinstance(caught.value.__cause__, FileNotFoundError)
            with pytest.raises(ExceptionGroup) as caught:
                await pool.execute(None, "raise_group")
            assert [type(error) for error in caught.value.exceptions] == [ValueError, TypeError]
            for function in ("raise_base", "raise_async"):
                for name, expected in (("exit", SystemExit), ("interrupt", KeyboardInterrupt), ("stop", RuntimeError)):
                    with pytest.raises(expected):
                        await pool.execute(name, function)
            assert await pool.execute(1, "echo") == 1
            assert pool.info.failed_tasks == 9

    run(main())


def test_a_wrong_call_is_the_callers_error(run, kind):
    async def main():
        async with kind.fixed(1, tasks.ALL) as pool:
            with pytest.raises(UnknownTaskFunctionError, match="'echo'"):
                pool.execute(1, "nonsense")
            with pytest.raises(TypeError, match=r"use pool\.stream"):
                pool.execute(1, "count")
            with pytest.raises(TypeError, match="not a generator"):
                pool.stream(1, "echo")
        with pytest.raises(PoolNotStartedError):
            pool.execute(1)

    run(main())


def test_urgent_tasks_run_first(run, kind, tmp_path):
    path = tmp_path / "go"

    async def main():
        heard = []
        handle = lambda _, word: heard.append(word)  # noqa: E731
        async with kind.fixed(1, tasks.PLAIN, message_handler=handle) as pool:
            first = pool.execute(str(path), "hold")
            others = [pool.execute([nice], "speak", priority=nice) for nice in (5, 19, -20, 0)]
            path.touch()
            await asyncio.gather(first, *others)
        assert heard == [-20, 0, 5, 19]

    run(main())


def test_affinity_binds_tasks_to_slots(run, kind):
    async def main():
        functions = {
            "here": TaskFunction(tasks.where, worker_nodes=[1]),
            "there": TaskFunction(tasks.where, worker_nodes=[0]),
        }
        async with kind.fixed(2, functions) as pool:
            here = set(await asyncio.gather(*(pool.execute(None, "here") for _ in range(50))))
            there = set(await asyncio.gather(*(pool.execute(None, "there") for _ in range(50))))
            assert len(here) == len(there) == 1
            assert here != there

    run(main())


def test_an_idle_worker_steals(run, kind, tmp_path):
    async def main():
        # Round robin gives every other task to the worker that is held up by the first.
        async with kind.fixed(2, tasks.PLAIN, worker_choice_strategy="round_robin") as pool:
            held = pool.execute(str(tmp_path / "end"), "hold")
            await asyncio.gather(*(pool.execute(0.001, "nap") for _ in range(100)))
            assert not held.done()
            assert pool.info.stolen_tasks > 0
            (tmp_path / "end").touch()

    run(main())


def test_submit_waits_for_room(run, kind):
    async def main():
        async with kind.fixed(1, tasks.PLAIN, max_queued=3) as pool:
            futures = [pool.execute(0.2, "nap")]
            most = 0
            for _ in range(10):
                futures.append(await pool.submit(0.001, "nap"))
                most = max(most, pool.info.queued_tasks)
            assert most <= 4
            await asyncio.gather(*futures)

    run(main())


def test_events_are_edges(run, kind):
    async def main():
        pool = kind.fixed(2, tasks.PLAIN, tasks_queue_options={"size": 3})
        heard = []
        for event in PoolEvent:
            pool.emitter.on(event.value, lambda _, name=event.value: heard.append(name))
        async with pool:
            await asyncio.gather(*(pool.execute(0.005, "nap") for _ in range(40)))
            with pytest.raises(ValueError):
                await pool.execute(ValueError(), "raise_it")
        assert heard.count("worker_online") == heard.count("worker_exit") == 2
        assert heard.count("task_error") == heard.count("ready") == heard.count("destroy") == 1
        assert heard.count("busy") == heard.count("busy_end") == 1
        assert heard.count("back_pressure") == heard.count("back_pressure_end") == 1
        assert "error" not in heard

    run(main())


def test_what_is_measured(run, kind):
    async def main():
        async with kind.fixed(1, tasks.PLAIN) as pool:
            await asyncio.gather(*(pool.execute(0.02, "nap") for _ in range(5)))
            info = pool.info
            assert info.run_time.minimum >= 0.02
            assert info.wait_time.maximum >= 0.04
            assert info.elu.active >= 0.09
            (node,) = pool.worker_nodes
            assert node.usage.tasks.executed == 5
            assert (node.pid is None) == (node.memory is None) == (kind.name in ("thread", "interpreter"))

    run(main())


@pytest.mark.parametrize("name", ["tell", "tell_later", "tell_elsewhere"])
def test_a_task_knows_itself(run, kind, name):
    async def main():
        async with kind.fixed(1, tasks.ALL, tasks_queue_options={"concurrency": 3}) as pool:
            futures = [pool.execute(None, name, timeout=limit) for limit in (None, 30, 40)]
            told = await asyncio.gather(*futures)
            assert told == [
                (f.task_id, name, 1, limited, False) for f, limited in zip(futures, (False, True, True), strict=True)
            ]

    run(main())


def test_messages_arrive_in_order_and_before_the_result(run, kind):
    async def main():
        heard = []
        async with kind.fixed(1, tasks.PLAIN, message_handler=lambda node, word: heard.append((node.id, word))) as pool:
            assert await pool.execute([1, 2, 3], "speak") == 3
            assert [word for _, word in heard] == [1, 2, 3]
            assert {worker for worker, _ in heard} == {pool.worker_nodes[0].id}

    run(main())


@pytest.mark.usefixtures("nothing_left")
def test_async_functions_interleave(run, kind):
    async def main():
        async with kind.fixed(1, tasks.ALL, tasks_queue_options={"concurrency": 20}) as pool:
            together = ("interleave", 20)
            assert await asyncio.gather(*(pool.execute(together, "all_at_once") for _ in range(40))) == [20] * 40
            assert await pool.execute(5, "echo") == 5
            pool.set_tasks_queue_options({"concurrency": 1})
            begun = time.monotonic()
            await asyncio.gather(*(pool.execute(0.05, "wait") for _ in range(4)))
            assert time.monotonic() - begun > 0.19

    run(main())
