"""Starting and ending: nothing is left behind, whatever happens in between."""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from poolifier import DynamicProcessPool, FixedProcessPool, PoolNotStartedError, Worker
from poolifier.backends import buffers
from poolifier.backends.process.channel import ProcessChannel
from poolifier.wire.parcels import Packer
from tests.light_tasks import echo, nap


@pytest.mark.once
@pytest.mark.usefixtures("no_leaks")
def test_a_hundred_pools_leave_nothing_behind(run):
    async def main():
        for number in range(100):
            async with FixedProcessPool(2, echo) as pool:
                assert await pool.execute(number) == number

    run(main())


@pytest.mark.usefixtures("no_leaks")
def test_a_spawned_pool_leaves_nothing_behind(run):
    async def main():
        async with FixedProcessPool(2, echo, start_method="spawn") as pool:
            assert await asyncio.gather(*(pool.execute(n) for n in range(10))) == list(range(10))

    run(main())


def test_submitting_needs_a_started_pool(run):
    async def main():
        pool = FixedProcessPool(1, echo)
        with pytest.raises(PoolNotStartedError, match="not started"):
            pool.execute(1)
        assert not pool.info.started
        await pool.start()
        await pool.start()
        assert await pool.execute(1) == 1
        assert pool.info.started
        assert pool.info.ready
        await pool.destroy()
        with pytest.raises(PoolNotStartedError, match="destroyed"):
            pool.execute(1)
        with pytest.raises(PoolNotStartedError, match="destroyed"):
            await pool.start()
        assert not pool.info.started

    run(main())


def test_start_workers_off(run):
    async def main():
        async with FixedProcessPool(1, echo, start_workers=False) as pool:
            assert pool.worker_nodes == ()
            with pytest.raises(PoolNotStartedError, match=r"start_workers=False, .* call `await pool\.start\(\)`"):
                pool.execute(1)
            await pool.start()
            assert await pool.execute(1) == 1

    run(main())


@pytest.mark.usefixtures("no_leaks")
def test_concurrent_starts_and_destroys(run):
    async def main():
        pool = FixedProcessPool(2, echo)
        await asyncio.gather(*(pool.start() for _ in range(5)))
        assert len(pool.worker_nodes) == 2
        await asyncio.gather(*(pool.destroy() for _ in range(5)))
        await pool.destroy()
        assert pool.worker_nodes == ()

    run(main())


@pytest.mark.usefixtures("no_leaks")
def test_destroy_while_starting(run, until):
    async def main():
        pool = FixedProcessPool(2, echo, initializer=nap, initargs=(600,))
        starting = asyncio.create_task(pool.start())
        await until(lambda: pool.worker_nodes)
        before = time.monotonic()
        await pool.destroy()
        assert time.monotonic() - before < 240
        with pytest.raises((PoolNotStartedError, asyncio.CancelledError)):
            await starting

    run(main())


@pytest.mark.usefixtures("no_leaks")
def test_start_that_is_given_up(run):
    async def main():
        pool = FixedProcessPool(2, echo, initializer=nap, initargs=(600,))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await pool.start()

    run(main())


@pytest.mark.usefixtures("no_leaks")
def test_a_start_that_one_of_two_gives_up(run):
    async def main():
        pool = FixedProcessPool(1, len, initializer=time.sleep, initargs=(600,))
        one, other = asyncio.create_task(pool.start()), asyncio.create_task(pool.start())
        await asyncio.sleep(0)
        one.cancel()
        with pytest.raises(PoolNotStartedError, match="while it was starting"):
            await other
        with pytest.raises(asyncio.CancelledError):
            await one

    run(main())


@pytest.mark.usefixtures("no_leaks")
def test_an_initializer_that_exits_is_an_error_to_catch(run):
    async def main():
        with pytest.raises(SystemExit, match="6"):
            async with FixedProcessPool(1, len, initializer=sys.exit, initargs=(6,)):
                pass
        await asyncio.sleep(0)

    run(main())


@pytest.mark.usefixtures("no_leaks")
def test_a_pool_belongs_to_one_loop():
    with asyncio.Runner() as here:
        pool = FixedProcessPool(1, len)
        here.run(pool.start())
        with pytest.raises(RuntimeError, match="another event loop"), asyncio.Runner() as there:
            there.run(pool.destroy())
        here.run(pool.destroy())


def test_destroy_lets_tasks_finish(run):
    async def main():
        async with FixedProcessPool(1, nap) as pool:
            futures = [pool.execute(0.05) for _ in range(4)]
        assert [future.result() for future in futures] == [0.05] * 4

    run(main())


def test_an_idle_worker_keeps_no_data(run, until):
    async def main():
        async with FixedProcessPool(1, len) as pool:
            (worker,) = pool.worker_nodes
            before = worker.memory
            for data in (b"x" * 50_000_000, bytearray(50_000_000)):
                assert await pool.execute(data) == 50_000_000
                await until(lambda: worker.memory < before + 25_000_000)

    run(main())


def read_and_hold(task):
    view, path = task
    total = sum(view[::4096])
    while not Path(path).exists():
        time.sleep(0.001)
    return total


def test_nor_does_one_whose_task_took_long(run, until, tmp_path, monkeypatch):
    """The memory is in use when the pool first looks whether it can be given back."""
    looks = []
    trim = Packer.trim
    monkeypatch.setattr(Packer, "trim", lambda self, most: (trim(self, most), looks.append(most))[0])
    monkeypatch.setattr(buffers, "IDLE", 0.02)

    async def main():
        async with FixedProcessPool(1, read_and_hold) as pool:
            (worker,) = pool.worker_nodes
            before = worker.memory
            data = memoryview(b"x" * 50_000_000)
            holding = pool.execute((data, str(tmp_path / "end")))
            await until(lambda: looks and worker.memory > before + 40_000_000)
            (tmp_path / "end").touch()
            assert await holding == 12_208 * ord("x")
            await until(lambda: worker.memory < before + 25_000_000)

    run(main())


@pytest.mark.usefixtures("no_leaks")
def test_destroy_cancels_what_does_not_finish(run):
    async def main():
        pool = FixedProcessPool(1, nap, tasks_queue_options={"tasks_finished_timeout": 0.1})
        await pool.start()
        futures = [pool.execute(600) for _ in range(3)]
        before = time.monotonic()
        await pool.destroy()
        assert time.monotonic() - before < 240
        assert all(future.cancelled() for future in futures)
        info = pool.info
        assert info.submitted_tasks == info.aborted_tasks == 3
        assert info.executing_tasks == info.queued_tasks == 0

    run(main())


def test_destroy_cancels_any_number_of_tasks(run):
    async def main():
        pool = FixedProcessPool(2, nap)
        await pool.start()
        futures = [pool.execute(600) for _ in range(5_000)]
        async with asyncio.timeout(120):
            await pool.destroy()
        assert all(future.cancelled() for future in futures)
        assert pool.info.aborted_tasks == 5_000

    run(main())


@pytest.mark.usefixtures("no_leaks")
def test_an_error_in_the_body_does_not_wait_for_tasks(run):
    async def main():
        before = time.monotonic()
        with pytest.raises(LookupError):
            async with FixedProcessPool(1, nap) as pool:
                future = pool.execute(600)
                raise LookupError
        assert time.monotonic() - before < 240
        assert future.cancelled()

    run(main())


def ignore_sigterm_and_nap(seconds):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(BaseException):
            time.sleep(1)


@pytest.mark.usefixtures("no_leaks")
def test_a_worker_that_ignores_everything_is_killed(run, until):
    async def main():
        pool = FixedProcessPool(1, ignore_sigterm_and_nap, abort_grace=0.2, exit_timeout=0.1)
        async with pool:
            pool.execute(600)
            await until(lambda: pool.info.executing_tasks)
            before = time.monotonic()
        assert time.monotonic() - before < 240

    run(main())


def test_cancelling_a_queued_task_drops_it(run, tmp_path):
    def touch(path):
        with Path(path).open("a") as file:
            file.write("x")

    async def main():
        async with FixedProcessPool(1, {"nap": nap, "touch": touch}) as pool:
            long = pool.execute(0.2, "nap")
            futures = [pool.execute(str(tmp_path / "touched"), "touch") for _ in range(100)]
            for future in futures[:-1]:
                assert future.cancel()
                assert not future.cancel()
            await long
            await futures[-1]
            assert pool.info.aborted_tasks == 99
            assert pool.info.executed_tasks == 2

    run(main())
    assert (tmp_path / "touched").read_text() == "x"


def test_cancelling_a_running_task_frees_its_worker(run):
    async def main():
        async with FixedProcessPool(1, {"nap": nap, "echo": echo}, abort_grace=60) as pool:
            pid = pool.worker_nodes[0].pid
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(pool.execute(600, "nap"), 0.1)
            assert await asyncio.wait_for(pool.execute("next", "echo"), 120) == "next"
            assert pool.worker_nodes[0].pid == pid
            assert pool.info.aborted_tasks == 1

    run(main())


def test_a_dynamic_pool_grows_and_shrinks(run, until):
    worker = Worker(nap, max_inactive_time=0.2)

    async def main():
        async with DynamicProcessPool(1, 3, worker) as pool:
            assert pool.info.worker_nodes == 1
            futures = [pool.execute(0.2) for _ in range(6)]
            # Now, for the first that has nothing left to do may leave while others are still at work.
            assert pool.info.worker_nodes == 3
            assert pool.info.dynamic_worker_nodes == 2
            assert await asyncio.gather(*futures) == [0.2] * 6
            await until(lambda: pool.info.worker_nodes == 1)
            assert pool.info.dynamic_worker_nodes == 0
            assert await pool.execute(0.01) == 0.01

    run(main())


def test_a_pool_of_none_grows_on_demand(run, until):
    async def main():
        async with DynamicProcessPool(0, 2, Worker(echo, max_inactive_time=0.1)) as pool:
            assert pool.worker_nodes == ()
            for attempt in range(2):
                assert await pool.execute(attempt) == attempt
                await until(lambda: pool.info.worker_nodes == 0)

    run(main())


def test_a_pool_of_none_learns_of_unknown_names_late(run, tmp_path):
    (tmp_path / "late_worker.py").write_text("worker = {'first': len, 'second': str}\n")

    async def main():
        async with DynamicProcessPool(0, 2, tmp_path / "late_worker.py") as pool:
            assert pool.list_task_functions_properties() == []
            unknown = pool.execute("data", "third")
            known = [pool.execute("data"), pool.execute("data", "first"), pool.execute("data", "second")]
            assert await asyncio.gather(*known) == [4, 4, "data"]
            with pytest.raises(LookupError, match="unknown task function 'third'; known: 'first', 'second'"):
                await unknown
            assert [each.name for each in pool.list_task_functions_properties()] == ["first", "second"]
            assert pool.has_task_function("second")
            assert not pool.has_task_function("third")

    run(main())


def identify(_):
    return os.environ.get("GREETING"), os.environ.get("HOME"), os.nice(0), sorted(os.sched_getaffinity(0))


def test_a_worker_that_is_ready_has_a_number(run, monkeypatch):
    """What a worker says may be there before the fork server's report of its process: here it always is."""
    started = ProcessChannel.process_started
    monkeypatch.setattr(
        ProcessChannel, "process_started", lambda self, *known: self._loop.call_later(0.3, started, self, *known)
    )

    async def main():
        async with FixedProcessPool(1, identify) as pool:
            assert pool.worker_nodes[0].pid is not None
            assert await pool.execute() is not None

    run(main())


def test_its_representation_tells_how_far_a_pool_is(run):
    async def main():
        pool = FixedProcessPool(1, len)
        assert repr(pool) == f"<FixedProcessPool {pool.info.name!r} 1 not started>"
        async with pool:
            assert repr(pool) == f"<FixedProcessPool {pool.info.name!r} 1 started>"
        assert repr(pool) == f"<FixedProcessPool {pool.info.name!r} 1 destroyed>"

    run(main())


def test_cpus_that_are_not_there_are_named(run):
    async def main():
        with pytest.raises(OSError, match=r"cpu_affinity \(1000,\) has no CPU that this process may use"):
            await FixedProcessPool(1, len, cpu_affinity=[1000]).start()

    run(main())


def test_environment_nice_and_cpu_affinity(run):
    async def main():
        pool = FixedProcessPool(
            2, identify, env={"GREETING": "hello", "HOME": None}, nice=7, cpu_affinity=[0], initializer=os.getpid
        )
        async with pool:
            assert await asyncio.gather(*(pool.execute(1) for _ in range(4))) == [("hello", None, 7, [0])] * 4

    run(main())


@pytest.mark.parametrize("preload", [True, False])
@pytest.mark.parametrize("start_method", ["fork_server", "spawn"])
def test_start_methods(run, tmp_path, start_method, preload):
    module = tmp_path / "counted_worker.py"
    module.write_text("import os\nwhere = os.getpid()\ndef worker(_):\n    return os.getpid(), where\n")

    async def main():
        async with FixedProcessPool(2, module, start_method=start_method, preload=preload) as pool:
            answers = await asyncio.gather(*(pool.execute(1) for _ in range(20)))
            imported = {where for _, where in answers}
            if preload and start_method == "fork_server":
                assert len(imported) == 1
            else:
                assert all(pid == where for pid, where in answers)

    run(main())


def test_handlers(run, until):
    heard = []

    async def main():
        pool = FixedProcessPool(
            1,
            os._exit,
            online_handler=lambda node: heard.append(("online", node.id)),
            error_handler=lambda node, error: heard.append(("error", node.id, type(error).__name__)),
            exit_handler=lambda node, code: heard.append(("exit", node.id, code)),
        )
        async with pool:
            with pytest.raises(Exception, match="code 5"):
                await pool.execute(5)
            await until(lambda: len(heard) == 4)

    run(main())
    assert heard == [
        ("online", 1),
        ("error", 1, "WorkerCrashedError"),
        ("exit", 1, 5),
        ("online", 2),
        ("exit", 2, 0),
    ]


def test_a_handler_that_raises_breaks_nothing(run, caplog):
    def refuse(*_):
        raise LookupError("not today")

    async def main():
        async with FixedProcessPool(1, echo, online_handler=refuse, exit_handler=refuse) as pool:
            assert await pool.execute(1) == 1

    with caplog.at_level(logging.ERROR, "poolifier"):
        run(main())
    assert "not today" in caplog.text


PARENT = textwrap.dedent(
    """
    import asyncio, sys, time
    from poolifier import FixedProcessPool

    def spin(_):
        while True:
            pass

    async def main():
        async with FixedProcessPool(2, {"spin": spin, "nap": time.sleep, "echo": str}) as pool:
            await asyncio.gather(*(pool.execute(1, "echo") for _ in range(10)))
            if sys.argv[1] != "idle":
                for _ in range(20):
                    pool.execute(3600, sys.argv[1])
                while pool.info.executing_tasks < 2:
                    await asyncio.sleep(0)
            print("ready", flush=True)
            await asyncio.sleep(3600)

    asyncio.run(main())
    """
)


def is_running(process):
    """Whether a process is there and no zombie: reaping an orphan is up to the system's first process."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("activity", ["idle", "spin", "nap"])
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda ending: ending.name)
def test_nothing_survives_the_parent(activity, ending):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, activity], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout.readline() == "ready\n"
        family = psutil.Process(parent.pid).children(recursive=True)
        assert len(family) >= 3
        parent.send_signal(ending)
        ended_at = time.monotonic()
        while any(is_running(process) for process in family):
            assert time.monotonic() - ended_at < 240
        stderr = parent.communicate(timeout=300)[1]
        if ending == signal.SIGINT:
            # One traceback, of the interrupted program itself; workers add none.
            assert stderr.count("Traceback") <= 2
            assert "KeyboardInterrupt" in stderr


def hang_at_exit(_):
    import atexit

    atexit.register(time.sleep, 600)
    return os.getpid()


def test_a_worker_that_does_not_leave_is_killed(run, until):
    async def main():
        worker = Worker(hang_at_exit, max_inactive_time=0.05)
        async with DynamicProcessPool(0, 1, worker, destroy_timeout=1.0) as pool:
            first = await pool.execute(1)
            await until(lambda: not pool.info.ready or pool.info.idle_worker_nodes == 0)
            assert await asyncio.wait_for(pool.execute(1), 120) != first

    run(main())


def test_a_hard_worker_aborts_what_runs_for_too_long(run, tmp_path, until):
    def clean(path):
        try:
            time.sleep(600)
        finally:
            Path(path).touch()

    async def main():
        worker = Worker(clean, max_inactive_time=0.1, kill_behavior="hard")
        async with DynamicProcessPool(0, 1, worker) as pool:
            with pytest.raises(asyncio.CancelledError):
                await pool.execute(str(tmp_path / "cleaned"))
            await until((tmp_path / "cleaned").exists)
            await until(lambda: pool.info.worker_nodes == 0)
            assert pool.info.aborted_tasks == 1

    run(main())


def test_a_pool_belongs_to_its_thread(run):
    async def main():
        async with FixedProcessPool(1, echo) as pool:
            with pytest.raises(RuntimeError, match="run_coroutine_threadsafe"):
                await asyncio.to_thread(pool.execute, 1)
            loop = asyncio.get_running_loop()

            def elsewhere():
                async def call():
                    return await pool.execute(2)

                return asyncio.run_coroutine_threadsafe(call(), loop).result()

            assert await asyncio.to_thread(elsewhere) == 2

    run(main())


def test_a_listener_to_ready_can_use_the_pool(run):
    results = []

    async def main():
        for pool in (FixedProcessPool(1, echo), DynamicProcessPool(0, 1, echo)):
            pool.emitter.on("ready", lambda _, pool=pool: results.append(pool.execute("early")))
            async with pool:
                await asyncio.sleep(0)
                assert await results.pop() == "early"

    run(main())
