"""Aborts and time limits: what waits is dropped, what runs is stopped, and its worker lives where it can."""

import asyncio
import threading

import pytest

from poolifier import TaskTimeoutError
from tests.contract import tasks


def test_what_waits_is_dropped(run, kind):
    async def main():
        async with kind.fixed(1, tasks.PLAIN) as pool:
            first = pool.execute(0.1, "nap")
            waiting = [pool.execute(0.001, "nap") for _ in range(20)]
            for future in waiting[::2]:
                assert future.cancel()
            assert await first == 0.1
            assert await asyncio.gather(*waiting[1::2]) == [0.001] * 10
            assert (pool.info.aborted_tasks, pool.info.executed_tasks) == (10, 11)

    run(main())


@pytest.mark.parametrize("name", ["spin", "wait"])
def test_what_runs_is_stopped_and_its_worker_lives(run, until, kind, name):
    async def main():
        async with kind.fixed(1, tasks.ALL, abort_grace=60) as pool:
            worker = await pool.execute(None, "where")
            future = pool.execute(600, name)
            await until(lambda: pool.info.executing_tasks)
            await asyncio.sleep(0.02)
            future.cancel()
            assert await asyncio.wait_for(pool.execute(None, "where"), 120) == worker
            assert pool.info.aborted_tasks == 1

    run(main())


@pytest.mark.parametrize(
    ("name", "expected"),
    [("spin_and_clean", ["begun", "aborted", "cleaned"]), ("wait_and_clean", ["begun", "cleaned"])],
)
def test_it_may_clean_up(run, until, kind, name, expected):
    async def main():
        heard = []
        async with kind.fixed(1, tasks.ALL, abort_grace=60, message_handler=lambda _, word: heard.append(word)) as pool:
            future = pool.execute(600, name)
            await until(lambda: heard)
            future.cancel()
            await until(lambda: heard == expected)

    run(main())


def test_others_in_the_same_event_loop_go_on(run, until, kind):
    async def main():
        async with kind.fixed(1, tasks.ALL, abort_grace=60, tasks_queue_options={"concurrency": 4}) as pool:
            long, short = pool.execute(600, "wait"), pool.execute(0.1, "wait")
            await until(lambda: pool.info.executing_tasks == 2)
            long.cancel()
            assert await short == 0.1
            await until(lambda: pool.info.aborted_tasks == 1)

    run(main())


@pytest.mark.parametrize("name", ["spin", "wait"])
def test_time_limits(run, kind, name):
    async def main():
        async with kind.fixed(1, tasks.ALL) as pool:
            with pytest.raises(TaskTimeoutError, match=r"0\.1 s"):
                await pool.execute(600, name, timeout=0.1)
            assert await pool.execute(1) == 1
            assert (pool.info.failed_tasks, pool.info.aborted_tasks) == (1, 0)

    run(main())


def test_the_time_of_the_only_task_is_limited_though_a_worker_is_idle(run, kind):
    async def main():
        async with kind.fixed(2, tasks.ALL) as pool:
            with pytest.raises(TaskTimeoutError):
                await asyncio.wait_for(pool.execute(600, "spin", timeout=0.1), 120)

    run(main())


def test_what_does_not_stop_costs_its_worker(run, until, kind, logged, tmp_path):
    path = tmp_path / "end"

    async def main():
        heard, exits = [], []
        handlers = {
            "message_handler": lambda _, word: heard.append(word),
            "exit_handler": lambda node, _: exits.append(node.id),
        }
        async with kind.fixed(1, tasks.PLAIN, abort_grace=0.1, **handlers) as pool:
            worker, pid = pool.worker_nodes[0].id, pool.worker_nodes[0].pid
            before = set(threading.enumerate())
            future = pool.execute(str(path), "ignore_aborts")
            neighbour = pool.execute("moved")
            await until(lambda: heard)
            future.cancel()
            assert await asyncio.wait_for(neighbour, 120) == "moved"
            assert exits == [worker]
            assert pool.worker_nodes[0].id != worker
            assert (pool.info.aborted_tasks, pool.info.failed_tasks) == (1, 0)
            # It is told, whether the worker was killed or abandoned.
            said = [(record.levelname, record.getMessage()) for record in logged if record.name == "poolifier"]
            if kind.killable:
                ending = "after abort_grace=0.1 s: task 1 ('ignore_aborts') did not stop"
                assert said == [
                    ("WARNING", f"pool {pool.info.name!r}: worker {worker} (pid {pid}) was killed {ending}")
                ]
            else:
                assert [level for level, _ in said] == ["WARNING", "ERROR"]
                assert f"worker {worker} does not stop" in said[0][1]
                assert f"worker {worker} did not stop and was abandoned" in said[1][1]
            if not kind.killable:
                # Its thread ends by itself, and nothing comes of what it returns.
                path.touch()
                await until(lambda: not before <= set(threading.enumerate()))
                assert (pool.info.aborted_tasks, pool.info.executed_tasks) == (1, 1)

    run(main())
