"""Task functions that are added, replaced and removed while a pool runs."""

import asyncio
import os
import signal
import sys
import threading
import time

import pytest

from poolifier import (
    DynamicProcessPool,
    FixedProcessPool,
    PoolFailedError,
    PoolNotStartedError,
    RemoteError,
    SerializationError,
    TaskFunction,
    UnknownTaskFunctionError,
    Worker,
    WorkerCrashedError,
)
from poolifier.backends.wire_channel import WireChannel


def where(_=None):
    return os.getpid()


def nap(seconds):
    time.sleep(seconds)
    return "napped"


def block(path):
    """Says that it has started, and stays."""
    path.touch()
    time.sleep(600)


async def nap_timed(seconds):
    begun = time.monotonic()
    await asyncio.sleep(seconds)
    return begun, time.monotonic()


async def nap_async(seconds):
    await asyncio.sleep(seconds)
    return "napped"


def constant(value):
    return lambda _=None: value


def names(pool):
    return [properties.name for properties in pool.list_task_functions_properties()]


async def everywhere(pool, name, count=40):
    """What the function returns, once on every worker at least."""
    return await asyncio.gather(*(pool.execute(0, name) for _ in range(count)))


@pytest.mark.parametrize(
    ("function", "result"),
    [
        pytest.param(lambda number: number + 1, 5, id="lambda"),
        pytest.param(constant("closed over"), "closed over", id="closure"),
        pytest.param(abs, 4, id="by reference"),
        pytest.param(TaskFunction(nap, priority=3), "napped", id="TaskFunction"),
        pytest.param(nap_async, "napped", id="async def"),
    ],
)
def test_a_function_is_added_to_all_workers(run, function, result):
    async def main():
        async with FixedProcessPool(2, where) as pool:
            await pool.add_task_function("added", function)
            assert pool.has_task_function("added")
            assert names(pool) == ["where", "added"]
            number = 4 if result in (4, 5) else 0
            assert await asyncio.gather(*(pool.execute(number, "added") for _ in range(8))) == [result] * 8

    run(main())


def test_a_task_runs_what_its_name_meant_when_it_was_submitted(run):
    async def main():
        async with FixedProcessPool(2, {"nap": nap, "version": constant(1)}) as pool:
            blockers = [pool.execute(0.1, "nap") for _ in range(2)]
            before = [pool.execute(0, "version") for _ in range(20)]
            change = asyncio.create_task(pool.add_task_function("version", constant(2)))
            await asyncio.sleep(0)
            meanwhile = pool.execute(0, "version")
            await change
            after = [pool.execute(0, "version") for _ in range(20)]
            assert await asyncio.gather(*before, meanwhile) == [1] * 21
            assert await asyncio.gather(*after) == [2] * 20
            await asyncio.gather(*blockers)

    run(main())


def test_a_queued_task_keeps_its_function_when_a_worker_dies(run, until, tmp_path):
    async def main():
        async with FixedProcessPool(1, {"block": block, "version": constant(1)}) as pool:
            await pool.add_task_function("version", constant(2))
            blocker = pool.execute(tmp_path / "started", "block")
            await until((tmp_path / "started").exists)
            old = pool.execute(0, "version")
            # A worker in the middle of a task does not answer; the change waits for it, or for its end.
            change = asyncio.create_task(pool.add_task_function("version", constant(3)))
            await asyncio.sleep(0)
            os.kill(pool.worker_nodes[0].pid, signal.SIGKILL)
            with pytest.raises(WorkerCrashedError):
                await blocker
            await change
            assert await old == 2
            assert await pool.execute(0, "version") == 3

    run(main())


def test_tasks_of_a_removed_function_still_run(run):
    async def main():
        async with FixedProcessPool(1, {"nap": nap, "version": constant(1)}) as pool:
            await pool.add_task_function("added", constant("added"))
            blocker = pool.execute(0.1, "nap")
            futures = [pool.execute(0, "version"), pool.execute(0, "added")]
            await pool.remove_task_function("version")
            await pool.remove_task_function("added")
            assert names(pool) == ["nap"]
            for name in ("version", "added"):
                assert not pool.has_task_function(name)
                with pytest.raises(UnknownTaskFunctionError, match="known: 'nap'"):
                    pool.execute(0, name)
            assert await asyncio.gather(*futures) == [1, "added"]
            await blocker
            # And the name is free again.
            await pool.add_task_function("version", constant(5))
            assert await pool.execute(0, "version") == 5

    run(main())


def test_workers_forget_what_no_task_needs(run):
    def held(_):
        import gc

        return sum(isinstance(each, bytes) and len(each) > 1 << 20 for each in gc.get_referents(*gc.get_objects()))

    def heavy(version):
        ballast = bytes([version]) * (2 << 20)
        return lambda _: ballast[0]

    async def main():
        async with FixedProcessPool(1, {"held": held}) as pool:
            for version in range(10):
                await pool.add_task_function("heavy", heavy(version))
                assert await pool.execute(0, "heavy") == version
            assert await pool.execute(0, "held") <= 1
            await pool.remove_task_function("heavy")
            assert await pool.execute(0, "held") == 0

    run(main())


def test_the_default_function(run):
    async def main():
        async with FixedProcessPool(2, {"one": constant(1), "two": constant(2)}) as pool:
            assert await pool.execute() == 1
            await pool.set_default_task_function("two")
            assert names(pool) == ["two", "one"]
            assert await pool.execute() == 2
            assert await pool.execute(None, "default") == 2
            await pool.add_task_function("two", constant(22))
            assert await pool.execute() == 22
            with pytest.raises(ValueError, match="'two' is the default"):
                await pool.remove_task_function("two")
            await pool.remove_task_function("one")
            # Workers that start from here on know it as well.
            pids = [node.pid for node in pool.worker_nodes]
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            assert await pool.execute() == 22

    run(main())


def test_replacements_of_dead_workers_have_what_was_added(run, until):
    async def main():
        async with FixedProcessPool(2, {"where": where}) as pool:
            await pool.add_task_function("added", constant("here"))
            await pool.add_task_function("where", constant("replaced"))
            for _ in range(2):
                before = {node.pid for node in pool.worker_nodes}
                for pid in before:
                    os.kill(pid, signal.SIGKILL)
                await until(lambda before=before: not before & {node.pid for node in pool.worker_nodes})
                await until(lambda: pool.info.ready)
                assert set(await everywhere(pool, "added")) == {"here"}
                assert set(await everywhere(pool, "where")) == {"replaced"}

    run(main())


def test_dynamic_workers_have_what_was_added(run):
    async def main():
        async with DynamicProcessPool(0, 3, {"nap": nap}) as pool:
            await pool.add_task_function("added", nap)
            await asyncio.gather(*(pool.execute(0.1, "added") for _ in range(6)))
            assert pool.info.worker_nodes == 3

    run(main())


def test_a_pool_that_has_no_worker_yet(run):
    """Nobody knows what `os:getpid` is before a worker has imported it."""

    async def main():
        async with DynamicProcessPool(0, 2, "os:getpid") as pool:
            assert pool.list_task_functions_properties() == []
            await pool.add_task_function("added", constant("added"))
            assert names(pool) == ["getpid", "added"]
            assert await pool.execute(0, "added") == "added"
        async with DynamicProcessPool(0, 2, "os:getpid") as pool:
            with pytest.raises(UnknownTaskFunctionError, match="'getpid'"):
                await pool.remove_task_function("unknown")
        async with DynamicProcessPool(0, 2, "os:getpid") as pool:
            await pool.set_default_task_function("getpid")
            assert await pool.execute() in {node.pid for node in pool.worker_nodes}
        async with DynamicProcessPool(0, 2, "no_such_module_at_all") as pool:
            with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
                await pool.add_task_function("added", constant("added"))

    run(main())


async def check_untouched(pool, pids):
    assert names(pool) == ["where"]
    assert {node.pid for node in pool.worker_nodes} == pids
    assert set(await everywhere(pool, "where")) <= pids
    await pool.add_task_function("added", constant("works"))
    assert await pool.execute(0, "added") == "works"


def test_a_function_that_cannot_be_pickled_changes_nothing(run):
    async def main():
        lock = threading.Lock()
        async with FixedProcessPool(2, where) as pool:
            pids = {node.pid for node in pool.worker_nodes}
            with pytest.raises(SerializationError, match=r"task function 'added' cannot be pickled: .*lock"):
                await pool.add_task_function("added", lambda _: lock)
            await check_untouched(pool, pids)

    run(main())


@pytest.mark.parametrize(
    ("source", "error"),
    [
        pytest.param("import no_such_module", ModuleNotFoundError, id="needs what is not there"),
        pytest.param("1 / 0", ZeroDivisionError, id="raises"),
        pytest.param("raise SystemExit(3)", RemoteError, id="exits"),
    ],
)
def test_a_function_whose_import_fails_in_a_worker_changes_nothing(run, tmp_path, monkeypatch, source, error):
    module = type(sys)("module_of_the_parent")
    exec("def function(_): return 'loaded'", module.__dict__)
    monkeypatch.setitem(sys.modules, "module_of_the_parent", module)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "module_of_the_parent.py").write_text(source)

    async def main():
        async with FixedProcessPool(2, where) as pool:
            pids = {node.pid for node in pool.worker_nodes}
            with pytest.raises(error):
                await pool.add_task_function("added", module.function)
            await check_untouched(pool, pids)

    run(main())


def test_an_import_that_fails_in_some_workers_only_changes_nothing(run, tmp_path, monkeypatch):
    module = type(sys)("only_once")
    exec("def function(_): return 'loaded'", module.__dict__)
    monkeypatch.setitem(sys.modules, "only_once", module)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "only_once.py").write_text(
        f"open({str(tmp_path / 'taken')!r}, 'x').close()\ndef function(_): return 'loaded'"
    )

    async def main():
        async with FixedProcessPool(2, where) as pool:
            pids = {node.pid for node in pool.worker_nodes}
            with pytest.raises(FileExistsError):
                await pool.add_task_function("added", module.function)
            await check_untouched(pool, pids)

    run(main())


def test_a_function_that_kills_who_imports_it_fails_the_change_not_the_pool(run, tmp_path, monkeypatch, until):
    module = type(sys)("deadly")
    exec("def function(_): return 'loaded'", module.__dict__)
    monkeypatch.setitem(sys.modules, "deadly", module)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "deadly.py").write_text("import os; os._exit(7)")

    async def main():
        async with FixedProcessPool(2, where) as pool:
            with pytest.raises(WorkerCrashedError, match="code 7 while it loaded task function 'added'"):
                await pool.add_task_function("added", module.function)
            await until(lambda: pool.info.ready)
            assert names(pool) == ["where"]
            await pool.add_task_function("added", constant("works"))
            assert await pool.execute(0, "added") == "works"

    run(main())


def test_what_travels_by_value_is_as_it_was_when_the_pool_started(run):
    seen = ["made"]

    async def main():
        pool = FixedProcessPool(1, lambda _: seen)
        seen.append("before the start")
        async with pool:
            seen.append("after the start")
            assert await pool.execute() == ["made", "before the start"]

    run(main())


def test_what_a_failed_change_has_left_behind_is_not_the_next_ones_fault(run, tmp_path, monkeypatch, until):
    """The worker that takes the place of one that died was given the deadly function as well, and dies later.

    On a busy machine it has begun to load it when it hears that this is not wanted any more; here it never hears that.
    """
    monkeypatch.setattr(WireChannel, "remove_functions", lambda *_: None)
    module = type(sys)("lingering")
    exec("def function(_): return 'loaded'", module.__dict__)
    monkeypatch.setitem(sys.modules, "lingering", module)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "lingering.py").write_text(
        "import os, pathlib, time\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        "if (here / 'first').exists():\n"
        "    (here / 'second').touch()\n"
        "    while not (here / 'go').exists(): time.sleep(0.001)\n"
        "(here / 'first').touch()\n"
        "os._exit(7)\n"
    )

    async def main():
        async with FixedProcessPool(1, where) as pool:
            with pytest.raises(WorkerCrashedError, match="code 7 while it loaded task function 'added'"):
                await pool.add_task_function("added", module.function)
            change = asyncio.create_task(pool.add_task_function("added", constant("works")))
            await until((tmp_path / "second").exists)
            (tmp_path / "go").touch()
            await change
            assert await pool.execute(0, "added") == "works"

    run(main())


@pytest.mark.once
def test_a_worker_that_is_to_leave_may_end_while_it_loads(run, tmp_path, monkeypatch, until):
    module = type(sys)("lengthy")
    exec("def function(_): return 'loaded'", module.__dict__)
    monkeypatch.setitem(sys.modules, "lengthy", module)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "lengthy.py").write_text(
        "import os, pathlib, time\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        "(here / f'at {os.getpid()}').touch()\n"
        "while not (here / 'go').exists(): time.sleep(0.01)\n"
        "def function(_): return 'loaded'\n"
    )

    async def main():
        worker = Worker(nap, max_inactive_time=0.2)
        async with DynamicProcessPool(1, 2, worker) as pool:
            await asyncio.gather(*(pool.execute(0.1) for _ in range(4)))
            await until(lambda: pool.info.ready and pool.info.worker_nodes == 2)
            stays, leaves = [node.pid for node in pool.worker_nodes]
            change = asyncio.create_task(pool.add_task_function("added", module.function))
            for pid in (stays, leaves):
                await until((tmp_path / f"at {pid}").exists)
            # It is idle as far as tasks go, so it is told to leave, and ended where it does not.
            await until(lambda: pool.info.worker_nodes == 1)
            (tmp_path / "go").touch()
            await change
            assert await pool.execute(0, "added") == "loaded"

    run(main())


def test_workers_that_die_meanwhile_do_not_hang_a_change(run, until, tmp_path):
    async def main():
        async with FixedProcessPool(2, {"block": block}) as pool:
            for round_ in range(3):
                paths = [tmp_path / f"{round_} {number}" for number in range(2)]
                blockers = [pool.execute(path, "block") for path in paths]
                for path in paths:
                    await until(path.exists)
                change = asyncio.create_task(pool.add_task_function("added", constant(round_)))
                await asyncio.sleep(0)
                for pid in [node.pid for node in pool.worker_nodes]:
                    os.kill(pid, signal.SIGKILL)
                ends = await asyncio.gather(*blockers, return_exceptions=True)
                assert [type(end) for end in ends] == [WorkerCrashedError] * 2
                await change
                assert set(await everywhere(pool, "added")) == {round_}

    run(main())


def test_a_change_that_is_cancelled_leaves_everything_as_it_was(run, until, tmp_path):
    async def main():
        async with FixedProcessPool(2, {"block": block, "version": constant(1)}) as pool:
            blocker = pool.execute(tmp_path / "started", "block")
            await until((tmp_path / "started").exists)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await pool.add_task_function("version", constant(2))
            assert await pool.execute(0, "version") == 1
            blocker.cancel()
            await pool.add_task_function("version", constant(3))
            assert await pool.execute(0, "version") == 3

    run(main())


def test_concurrent_changes_take_turns(run):
    async def main():
        async with FixedProcessPool(2, {"version": constant(0)}) as pool:
            await asyncio.gather(*(pool.add_task_function("version", constant(n)) for n in range(1, 20)))
            assert set(await everywhere(pool, "version")) == {19}

    run(main())


def test_the_first_async_function_loses_no_task(run):
    async def main():
        async with FixedProcessPool(2, {"version": constant(1)}, tasks_queue_options={"concurrency": 4}) as pool:
            tasks = [pool.execute(n, "version") for n in range(2_000)]
            change = asyncio.create_task(pool.add_task_function("nap", nap_timed))
            while not change.done():
                tasks.append(pool.execute(0, "version"))
                await asyncio.sleep(0)
            await change
            naps = [pool.execute(0.5, "nap") for _ in range(8)]
            tasks += [pool.execute(n, "version") for n in range(100)]
            assert set(await asyncio.gather(*tasks)) == {1}
            spans = await asyncio.gather(*naps)
            assert any(sum(begun <= moment < ended for begun, ended in spans) > 2 for moment, _ in spans)
            assert pool.info.failed_tasks == 0

    run(main())


def test_replacing_changes_how_tasks_are_scheduled(run):
    async def main():
        async with FixedProcessPool(3, {"where": where}) as pool:
            pids = [node.pid for node in pool.worker_nodes]
            assert set(await everywhere(pool, "where", 90)) == set(pids)
            await pool.add_task_function(
                "where", TaskFunction(where, worker_nodes=[1], priority=-5, strategy="fair_share")
            )
            assert set(await everywhere(pool, "where")) == {pids[1]}
            [properties] = pool.list_task_functions_properties()
            assert (properties.priority, properties.strategy, properties.worker_nodes) == (-5, "fair_share", (1,))
            await pool.add_task_function("where", where)
            assert set(await everywhere(pool, "where", 90)) == set(pids)

    run(main())


def test_usage_is_kept_by_name(run):
    async def main():
        async with FixedProcessPool(1, {"version": constant(0)}) as pool:
            for version in range(1, 4):
                await asyncio.gather(*(pool.execute(0, "version") for _ in range(5)))
                await pool.add_task_function("version", constant(version))
            [node] = pool.worker_nodes
            usage = node.usage_by_task_function
            assert list(usage) == ["version"]
            assert usage["version"].tasks.executed == 15
            await pool.add_task_function("other", constant(0))
            await pool.set_default_task_function("other")
            await pool.remove_task_function("version")
            assert node.usage_by_task_function["version"].tasks.executed == 15
            assert pool.info.executed_tasks == 15

    run(main())


@pytest.mark.parametrize("method", ["add_task_function", "remove_task_function", "set_default_task_function"])
@pytest.mark.parametrize(
    ("name", "error", "match"),
    [
        (5, TypeError, "name must be a string"),
        (None, TypeError, "name must be a string"),
        ("", ValueError, "name must not be empty"),
        (" ", ValueError, "name must not be empty"),
        ("default", ValueError, "'default' is"),
    ],
)
def test_names_are_checked(run, method, name, error, match):
    async def main():
        arguments = (name, where) if method == "add_task_function" else (name,)
        async with FixedProcessPool(1, where) as pool:
            with pytest.raises(error, match=match):
                await getattr(pool, method)(*arguments)
            assert names(pool) == ["where"]

    run(main())


def test_other_arguments_are_checked(run):
    async def main():
        async with FixedProcessPool(2, where) as pool:
            with pytest.raises(TypeError, match="function must be callable"):
                await pool.add_task_function("added", 5)
            with pytest.raises(ValueError, match="slots from 0 to 1, not 2"):
                await pool.add_task_function("added", TaskFunction(where, worker_nodes=[2]))
            for change in (pool.remove_task_function, pool.set_default_task_function):
                with pytest.raises(UnknownTaskFunctionError, match="unknown task function 'nobody'; known: 'where'"):
                    await change("nobody")
            assert names(pool) == ["where"]

    run(main())


def test_pools_that_cannot_be_changed(run, until, tmp_path):
    async def main():
        options = {"restart_worker_on_error": False, "error_handler": lambda *_: None}
        pool = FixedProcessPool(1, {"block": block}, **options)
        changes = [
            lambda: pool.add_task_function("added", where),
            lambda: pool.remove_task_function("added"),
            lambda: pool.set_default_task_function("block"),
        ]
        for change in changes:
            with pytest.raises(PoolNotStartedError, match="not started"):
                await change()
        await pool.start()
        blocker = pool.execute(tmp_path / "started")
        await until((tmp_path / "started").exists)
        waiting = asyncio.create_task(changes[0]())
        await asyncio.sleep(0)
        os.kill(pool.worker_nodes[0].pid, signal.SIGKILL)
        with pytest.raises(PoolFailedError):
            await waiting
        with pytest.raises((WorkerCrashedError, PoolFailedError)):
            await blocker
        for change in changes:
            with pytest.raises(PoolFailedError):
                await change()
        await pool.destroy()
        for change in changes:
            with pytest.raises(PoolNotStartedError, match="destroyed"):
                await change()

    run(main())


@pytest.mark.usefixtures("no_leaks")
def test_destroy_ends_a_change(run):
    async def main():
        pool = FixedProcessPool(1, nap, tasks_queue_options={"tasks_finished_timeout": 0.0})
        await pool.start()
        blocker = pool.execute(600)
        waiting = asyncio.create_task(pool.add_task_function("added", where))
        await asyncio.sleep(0)
        await pool.destroy()
        with pytest.raises(PoolNotStartedError, match="destroyed while its task functions"):
            await waiting
        assert blocker.cancelled()

    run(main())
