"""What a task function is told of its task, in functions of every kind."""

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest

from poolifier import FixedProcessPool, TaskAborted, WorkerCrashedError, current_task, send_message


def seen():
    task = current_task()
    return (task.id, task.name, task.attempt, task.deadline, task.abort_requested)


def plain(_):
    return seen()


async def coroutine(_):
    before = seen()
    await asyncio.sleep(0)
    in_thread = await asyncio.to_thread(seen)
    assert before == seen() == in_thread
    return before


def generator(_):
    yield seen()
    yield seen()


async def async_generator(_):
    yield seen()
    await asyncio.sleep(0)
    yield seen()


FUNCTIONS = {
    "plain": plain,
    "coroutine": coroutine,
    "generator": generator,
    "async_generator": async_generator,
}
BLOCKING = {"plain": plain, "generator": generator}


def test_there_is_none_outside_of_a_task():
    assert current_task() is None


@pytest.mark.parametrize("functions", [FUNCTIONS, BLOCKING], ids=["event loop", "blocking"])
@pytest.mark.parametrize("data", [1, [1]], ids=["atom", "pickle"])
def test_number_and_name(run, functions, data):
    async def main():
        async with FixedProcessPool(2, functions) as pool:
            for _ in range(3):
                for name in functions:
                    if "generator" in name:
                        stream = pool.stream(data, name)
                        assert [item async for item in stream] == [(stream.task_id, name, 1, None, False)] * 2
                    else:
                        future = pool.execute(data, name)
                        assert await future == (future.task_id, name, 1, None, False)
            first = pool.execute(data)
            assert (await first)[:2] == (first.task_id, next(iter(functions)))

    run(main())


def test_of_a_function_that_was_added(run):
    async def main():
        async with FixedProcessPool(1, plain) as pool:
            await pool.add_task_function("later", lambda _: seen())
            assert (await pool.execute(1, "later"))[1] == "later"

    run(main())


async def meet(path):
    """Runs until it is told to end, and asks all the while."""
    mine = seen()
    while not Path(path).exists():  # noqa: ASYNC240
        assert seen() == mine
        await asyncio.sleep(0)
    return mine[0]


def test_tasks_that_interleave(run, tmp_path):
    async def main():
        functions = {"meet": meet, "plain": plain, "generator": generator}
        async with FixedProcessPool(1, functions, tasks_queue_options={"concurrency": 6}) as pool:
            meeting = [pool.execute(str(tmp_path / "end"), "meet") for _ in range(4)]
            future, stream = pool.execute(1, "plain"), pool.stream(1, "generator", buffer=1)
            assert (await future)[0] == future.task_id
            assert [item[0] async for item in stream] == [stream.task_id] * 2
            (tmp_path / "end").touch()
            assert await asyncio.gather(*meeting) == [each.task_id for each in meeting]

    run(main())


async def wait_in_thread(path):
    """A thread that works for one task asks while a plain one runs."""

    def ask():
        Path(path).touch()
        while not Path(path + ".running").exists():
            time.sleep(0.001)
        found = seen()[1]
        Path(path + ".asked").touch()
        return found

    return await asyncio.to_thread(ask)


def run_meanwhile(path):
    Path(path + ".running").touch()
    while not Path(path + ".asked").exists():
        time.sleep(0.001)
    return seen()[1]


def test_a_thread_is_told_of_the_task_it_works_for(run, tmp_path, until):
    async def main():
        functions = {"threaded": wait_in_thread, "meanwhile": run_meanwhile}
        async with FixedProcessPool(1, functions, tasks_queue_options={"concurrency": 2}) as pool:
            path = tmp_path / "thread"
            threaded = pool.execute(str(path), "threaded")
            await until(path.exists)
            assert await pool.execute(str(path), "meanwhile") == "meanwhile"
            assert await threaded == "threaded"

    run(main())


def in_own_thread(_):
    found = []
    thread = threading.Thread(target=lambda: found.append(seen()[:2]))
    thread.start()
    thread.join()
    return (found[0], seen()[:2])


def test_a_thread_of_a_plain_function(run):
    async def main():
        async with FixedProcessPool(1, in_own_thread) as pool:
            here, there = await pool.execute(1)
            assert here == there

    run(main())


def crash_twice(_):
    attempt = current_task().attempt
    if attempt < 3:
        os._exit(attempt)
    return seen()


async def crash_twice_async(_):
    return crash_twice(_)


@pytest.mark.parametrize("function", [crash_twice, crash_twice_async])
def test_attempts_are_counted(run, function):
    async def main():
        async with FixedProcessPool(1, function) as pool:
            future = pool.execute([1], retries=2)
            assert (await future)[:3] == (future.task_id, function.__name__, 3)
            with pytest.raises(WorkerCrashedError) as caught:
                await pool.execute(1)
            assert caught.value.exit_code == 1

    run(main())


@pytest.mark.parametrize("data", [1, [1]], ids=["atom", "pickle"])
@pytest.mark.parametrize("functions", [FUNCTIONS, BLOCKING], ids=["event loop", "blocking"])
def test_deadline(run, functions, data):
    async def main():
        async with FixedProcessPool(1, functions) as pool:
            for name in functions:
                before = time.monotonic()
                if "generator" in name:
                    first, second = [item async for item in pool.stream(data, name, timeout=50)]
                    assert first == second
                else:
                    first = await pool.execute(data, name, timeout=50)
                # The clock is the same in all processes of a machine.
                assert before + 50 <= first[3] <= time.monotonic() + 50
                if "generator" not in name:
                    assert (await pool.execute(data, name))[3] is None

    run(main())


def refuse_to_stop(_):
    task = current_task()
    assert not task.abort_requested
    send_message("started")
    try:
        while True:
            time.sleep(0.001)
    except TaskAborted:
        send_message((task.abort_requested, current_task().abort_requested))


async def refuse_to_stop_async(_):
    task = current_task()
    assert not task.abort_requested
    send_message("started")
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        send_message((task.abort_requested, current_task().abort_requested))


def work_in_thread():
    task = current_task()
    send_message("started")
    while not task.abort_requested:
        time.sleep(0.001)
    send_message((True, current_task().abort_requested))


async def stop_a_thread(_):
    """A thread cannot be interrupted, but it can ask."""
    await asyncio.shield(asyncio.to_thread(work_in_thread))


@pytest.mark.parametrize("function", [refuse_to_stop, refuse_to_stop_async, stop_a_thread])
def test_abort_requested_is_as_it_is_now(run, until, function):
    async def main():
        heard = []
        async with FixedProcessPool(1, function, message_handler=lambda _, message: heard.append(message)) as pool:
            future = pool.execute(1)
            await until(lambda: heard)
            future.cancel()
            await until(lambda: len(heard) > 1)
            assert heard == ["started", (True, True)]

    run(main())


def itself(_):
    return current_task()


def test_it_can_be_a_result(run):
    async def main():
        async with FixedProcessPool(1, itself) as pool:
            future = pool.execute(1)
            task = await future
            assert (task.id, task.name, task.attempt, task.abort_requested) == (future.task_id, "itself", 1, False)
            assert repr(task).startswith(f"CurrentTask(id={task.id}, name='itself'")

    run(main())
