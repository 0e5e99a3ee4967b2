"""A worker that dies fails only what had started on it; nothing is lost, nothing runs twice."""

import asyncio
import ctypes
import os
import signal
from collections import Counter

import pytest

from poolifier import (
    DynamicProcessPool,
    FixedProcessPool,
    PoisonTaskError,
    PoolFailedError,
    TaskFunction,
    WorkerCrashedError,
)

TASKS = 1_000


def append(task):
    """Notes that the task has started. One O_APPEND write is atomic."""
    path, number = task
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, b"%d\n" % number)
    os.close(descriptor)
    return number


def append_and_end(task):
    path, number, way = task
    append((path, number))
    end(way)


def end(way):
    if way == "SIGKILL":
        os.kill(os.getpid(), signal.SIGKILL)
    elif way == "SIGTERM":
        os.kill(os.getpid(), signal.SIGTERM)
    elif way == "segfault":
        ctypes.string_at(0)
    else:
        os._exit(int(way))


def started(path):
    return Counter(int(line) for line in path.read_text().split())


ENDS = [
    ("SIGKILL", None, "SIGKILL"),
    ("SIGTERM", None, "SIGTERM"),
    ("segfault", None, "SIGSEGV"),
    ("0", 0, None),
    ("3", 3, None),
]


@pytest.mark.once
@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize(("way", "exit_code", "signal_name"), ENDS)
def test_of_a_thousand_tasks_only_the_deadly_one_fails(run, until, tmp_path, way, exit_code, signal_name):
    path = tmp_path / "started"

    async def main():
        async with FixedProcessPool(2, {"append": append, "end": append_and_end}) as pool:
            futures = [pool.execute((str(path), number), "append") for number in range(TASKS // 2)]
            deadly = pool.execute((str(path), TASKS, way), "end")
            futures += [pool.execute((str(path), number), "append") for number in range(TASKS // 2, TASKS)]
            with pytest.raises(WorkerCrashedError) as caught:
                await deadly
            assert await asyncio.gather(*futures) == list(range(TASKS))
            await until(lambda: pool.info.idle_worker_nodes == 2)
            assert pool.info.failed_tasks == 1
            assert pool.info.executed_tasks == TASKS
            return caught.value

    error = run(main())
    assert error.exit_code == exit_code
    assert error.signal == signal_name
    assert error.task_name == "end"
    assert (signal_name or f"code {exit_code}") in str(error)
    assert started(path) == Counter(range(TASKS + 1))


@pytest.mark.usefixtures("no_leaks")
def test_a_kill_from_outside_fails_only_what_had_started(run, until, tmp_path):
    path = tmp_path / "started"

    async def main():
        async with FixedProcessPool(2, append) as pool:
            victim = pool.worker_nodes[0].pid
            futures = [pool.execute((str(path), number)) for number in range(TASKS)]
            await futures[50]
            os.kill(victim, signal.SIGKILL)
            results = await asyncio.gather(*futures, return_exceptions=True)
            await until(lambda: pool.info.idle_worker_nodes == 2)
            assert victim not in {node.pid for node in pool.worker_nodes}
            info = pool.info
            assert info.submitted_tasks == info.executed_tasks + info.failed_tasks == TASKS
            return results

    results = run(main())
    failed = [number for number, result in enumerate(results) if isinstance(result, WorkerCrashedError)]
    # One task at most runs on a worker at a time; what was finished is delivered, what was not started moves.
    assert len(failed) <= 1
    assert all(result == number for number, result in enumerate(results) if number not in failed)
    starts = started(path)
    assert set(starts.values()) == {1}, "a task ran twice"
    assert set(starts) >= set(range(TASKS)) - set(failed)


def test_a_worker_that_dies_is_replaced_at_once(run, until):
    async def main():
        async with FixedProcessPool(2, end) as pool:
            dead = pool.worker_nodes[0].pid
            os.kill(dead, signal.SIGKILL)
            await until(lambda: dead not in {node.pid for node in pool.worker_nodes})
            # In the same turn.
            assert pool.info.worker_nodes == 2
            await until(lambda: pool.info.ready)
            assert dead not in {node.pid for node in pool.worker_nodes}

    run(main())


def complain_and_exit(_):
    os.write(2, b"first line\nthe reactor is melting\n")
    os._exit(1)


def test_the_error_carries_the_end_of_stderr(run, capfd):
    async def main():
        async with FixedProcessPool(1, complain_and_exit) as pool:
            with pytest.raises(WorkerCrashedError, match="the reactor is melting") as caught:
                await pool.execute(1)
            assert caught.value.stderr.endswith("the reactor is melting")
            assert caught.value.worker_id == 1
            assert caught.value.task_id is not None

    run(main())


def test_retries_are_made_only_when_asked_for(run, tmp_path):
    path = tmp_path / "started"

    async def main():
        async with FixedProcessPool(1, append_and_end, restart_limit=(100, 10.0)) as pool:
            with pytest.raises(WorkerCrashedError) as caught:
                await pool.execute((str(path), 1, "3"))
            assert not isinstance(caught.value, PoisonTaskError)
            with pytest.raises(PoisonTaskError) as poisoned:
                await pool.execute((str(path), 2, "3"), retries=2)
            assert [crash.exit_code for crash in poisoned.value.history] == [3, 3, 3]
            assert len({crash.worker_id for crash in poisoned.value.history}) == 3

    run(main())
    assert started(path) == {1: 1, 2: 3}


def end_the_first_time(path):
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return "alive"
    os._exit(9)


def test_a_retry_that_lives_returns(run, tmp_path):
    async def main():
        async with FixedProcessPool(2, end_the_first_time) as pool:
            assert await pool.execute(str(tmp_path / "once"), retries=1) == "alive"
            assert pool.info.failed_tasks == 0

    run(main())


@pytest.mark.once
@pytest.mark.parametrize("limit", [(5, 10.0), (0, 0.001), None], ids=str)
def test_however_many_tasks_end_their_workers_the_pool_goes_on(run, tmp_path, limit):
    path = tmp_path / "started"

    async def main():
        options = {"restart_limit": limit, "error_handler": lambda *_: None}
        async with FixedProcessPool(2, {"end": end, "wait": TaskFunction(append)}, **options) as pool:
            deadly = [pool.execute("7", "end", retries=number % 2) for number in range(40)]
            waiting = [pool.execute((str(path), number), "wait") for number in range(200)]
            results = await asyncio.gather(*deadly, *waiting, return_exceptions=True)
            assert [type(result) for result in results[:40]] == [WorkerCrashedError, PoisonTaskError] * 20
            assert results[40:] == list(range(200))
            info = pool.info
            assert (info.crashed_workers, info.retried_tasks, info.failure) == (60, 20, None)

    run(main())
    assert started(path) == Counter(range(200))


def test_a_pool_that_cannot_start_workers_recovers_once_it_can(run, until, tmp_path):
    """The module of the workers is broken by an update, and mended by the next."""
    module = tmp_path / "updated.py"
    module.write_text("import os\ndef worker(data):\n    return os._exit(1) if data == 'end' else data\n")

    async def main():
        async with FixedProcessPool(2, module, restart_limit=(2, 10.0), error_handler=lambda *_: None) as pool:
            good = module.read_text()
            module.write_text("raise LookupError('half an update')\n")
            crashed = [pool.execute("end") for _ in range(2)]
            waiting = [pool.execute(number) for number in range(20)]
            results = await asyncio.gather(*crashed, *waiting, return_exceptions=True)
            failed = [result for result in results if isinstance(result, PoolFailedError)]
            assert all(isinstance(error.__cause__, LookupError) for error in failed)
            await until(lambda: pool.info.state == "failing")
            future = pool.execute(1)
            assert not future.done()  # to await what is done already would let nobody else have a turn
            with pytest.raises(PoolFailedError, match="LookupError: half an update"):
                await future
            module.write_text(good)
            await until(lambda: pool.info.state == "ready")
            assert await pool.execute("as before") == "as before"

    run(main())


@pytest.mark.once
def test_workers_that_are_killed_before_they_have_begun_anything_are_failed_starts(run, until):
    async def main():
        async with FixedProcessPool(1, end, restart_limit=(3, 10.0), error_handler=lambda *_: None) as pool:
            failing = asyncio.Event()
            pool.emitter.on("failing", lambda _: failing.set())
            for _ in range(4):
                await until(lambda: pool.worker_nodes and pool.worker_nodes[0].ready)
                (node,) = pool.worker_nodes
                os.kill(node.pid, signal.SIGKILL)
                await until(lambda node=node: node.id not in [other.id for other in pool.worker_nodes])
            await failing.wait()
            await until(lambda: pool.info.state == "ready")
            assert pool.info.crashed_workers == 4

    run(main())


def test_without_restarts_the_last_death_makes_the_pool_fail_for_good(run):
    async def main():
        async with FixedProcessPool(2, end, restart_worker_on_error=False) as pool:
            with pytest.raises(WorkerCrashedError):
                await pool.execute("1")
            assert pool.info.worker_nodes == 1
            with pytest.raises(WorkerCrashedError):
                await pool.execute("1")
            for _ in range(2):
                with pytest.raises(PoolFailedError, match="restart_worker_on_error is off") as caught:
                    await pool.execute("1")
                assert isinstance(caught.value.__cause__, WorkerCrashedError)
            assert (pool.info.state, pool.info.worker_nodes) == ("failing", 0)

    run(main())


def test_a_dynamic_pool_survives_the_death_of_all_its_workers(run):
    async def main():
        async with DynamicProcessPool(0, 2, {"end": end, "len": len}) as pool:
            results = await asyncio.gather(*(pool.execute("3", "end") for _ in range(2)), return_exceptions=True)
            assert all(isinstance(result, WorkerCrashedError) for result in results)
            assert await pool.execute("four", "len") == 4

    run(main())
