import asyncio
import contextlib
import io
import os
import signal
import sys
import threading
from pathlib import Path

import psutil
import pytest

from poolifier import errors
from poolifier.backends.process.backend import ProcessBackend
from poolifier.exchange import ABORTED, DONE, FAILED, RETURNED, WorkerSettings
from poolifier.options import ProcessOptions
from poolifier.worker.source import WorkerSource

TASKS_FILE = Path(__file__).parent / "process_tasks.py"
ASYNC_SOURCE = f"{TASKS_FILE}:async_worker"


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def children():
    return psutil.Process().children(recursive=True)


@pytest.fixture(scope="module", autouse=True)
def uvloop_is_warm():
    # libuv keeps a pipe per process once it has run.
    with contextlib.suppress(ImportError), asyncio.Runner(loop_factory=__import__("uvloop").new_event_loop) as runner:
        runner.run(asyncio.sleep(0))


@pytest.fixture(autouse=True)
def leaves_nothing():
    before = descriptors()
    yield
    assert children() == []
    assert descriptors() == before
    assert threading.active_count() == 1


@pytest.mark.parametrize("method", ["fork_server", "spawn"])
def test_runs_tasks(harness, method):
    async def main():
        async with harness(start_method=method) as h:
            channel = await h.worker()
            ready = h.recorder.ready[1]
            assert [p.name for p in ready.functions][:2] == ["echo", "nothing"]
            assert (ready.max_inactive_time, ready.kill_behavior) == (12.0, "hard")
            assert ready.pid == channel.pid is not None
            data = {"a": [1, 2]}
            assert channel.send([(1, "default", 5), (2, "echo", data), (3, "nothing", None), (4, "who", None)]) == []
            assert (await h.recorder.answer(1, 4))[:3] == (4, DONE, (5004, "who", 1, None, False))
            assert [h.recorder.answers[1, n][2] for n in (1, 2, 3)] == [5, data, "nothing"]
            assert all(0 < reply[3] < 5 for reply in h.recorder.answers.values())
            channel.stop()
            exited = await h.exit_of()
            assert (exited.exit_code, exited.signal, exited.started, exited.error) == (0, None, 4, None)

    asyncio.run(main())


def test_tasks_do_not_share_data(harness):
    async def main():
        async with harness() as h:
            channel = await h.worker()
            shared = [1]
            channel.send([(1, "echo", shared), (2, "echo", shared)])
            await h.recorder.answer(1, 2)
            assert h.recorder.answers[1, 1][2] is not h.recorder.answers[1, 2][2]

    asyncio.run(main())


@pytest.mark.parametrize("source", [TASKS_FILE, ASYNC_SOURCE])
@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("exit", SystemExit),
        ("interrupt", KeyboardInterrupt),
        ("generator", GeneratorExit),
        ("stop", StopIteration),
        ("cancelled", asyncio.CancelledError),
        ("value", ValueError),
    ],
)
def test_errors_are_answers(harness, source, what, kind):
    async def main():
        async with harness(source) as h:
            channel = await h.worker()
            channel.send([(1, "fail", what), (2, "echo", 1)])
            sequence, status, error, _ = await h.recorder.answer(1, 1)
            assert (sequence, status, type(error)) == (1, FAILED, kind)
            assert "in fail" in str(error.__cause__)
            assert (await h.recorder.answer(1, 2))[2] == 1
            if source is not TASKS_FILE:
                channel.send([(3, "fail_async", what)])
                error = (await h.recorder.answer(1, 3))[2]
                assert type(error) is (RuntimeError if kind is StopIteration else kind)

    asyncio.run(main())


def test_errors_of_classes_that_do_not_pickle_well(harness):
    async def main():
        async with harness() as h:
            channel = await h.worker()
            channel.send([(1, "fail", "odd"), (2, "fail", "unpicklable"), (3, "unpicklable_result", None)])
            channel.send([(4, "lock_result", None), (5, "recurse", None), (6, "unknown", 1), (7, "stream", 1)])
            await h.recorder.answer(1, 7)
            odd, lost, ok, lock, deep, unknown, stream = (h.recorder.answers[1, n][1:3] for n in range(1, 8))
            # The parent cannot import the file's classes: they come by value.
            assert (type(odd[1]).__name__, odd[1].args, odd[1].code) == ("Odd", ("odd", 7), 7)
            assert isinstance(lost[1], errors.RemoteError)
            assert lost[1].type_name.endswith("process_tasks.Unpicklable")
            assert ok[0] == DONE
            assert isinstance(lock[1], errors.SerializationError)
            assert "'lock_result'" in str(lock[1])
            assert "cannot pickle '_thread.lock'" in str(lock[1])
            assert isinstance(deep[1], RecursionError)
            assert isinstance(unknown[1], errors.UnknownTaskFunctionError)
            assert unknown[1].name == "unknown"
            assert "echo" in unknown[1].known
            assert isinstance(stream[1], TypeError)
            assert "pool.stream" in str(stream[1])

    asyncio.run(main())


def test_data_that_cannot_be_pickled_is_refused(harness):
    async def main():
        async with harness() as h:
            channel = await h.worker()
            lock = threading.Lock()
            [(sequence, error)] = channel.send([(1, "echo", 1), (2, "echo", lock), (3, "echo", 3)])
            assert sequence == 2
            assert isinstance(error, errors.SerializationError)
            assert "'echo'" in str(error)
            assert isinstance(error.__cause__, TypeError)
            assert (await h.recorder.answer(1, 3))[2] == 3
            assert (1, 2) not in h.recorder.answers

    asyncio.run(main())


class KillsItsReader:
    def __reduce__(self):
        return (os.kill, (0, signal.SIGKILL))


class FailsItsReader:
    def __reduce__(self):
        return (int, ("x",))


def test_a_bad_pickle_harms_its_own_task_alone(harness):
    async def main():
        async with harness() as h:
            channel = await h.worker()
            channel.send([(1, "echo", 1), (2, "echo", FailsItsReader()), (3, "echo", 3), (4, "echo", KillsItsReader())])
            channel.send([(5, "echo", 5)])
            exited = await h.exit_of()
            assert exited.signal == "SIGKILL"
            assert exited.started == 4
            assert sorted(h.recorder.answers) == [(1, 1), (1, 2), (1, 3)]
            error = h.recorder.answers[1, 2][2]
            assert isinstance(error, errors.SerializationError)
            assert "'echo'" in str(error)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("how", "code", "name"),
    [
        (0, 0, None),
        (3, 3, None),
        ("SIGKILL", None, "SIGKILL"),
        ("SIGTERM", None, "SIGTERM"),
        ("segfault", None, "SIGSEGV"),
    ],
)
@pytest.mark.parametrize("source", [TASKS_FILE, ASYNC_SOURCE])
def test_a_crash_leaves_only_the_started_task_unanswered(harness, source, how, code, name):
    async def main():
        async with harness(source) as h:
            channel = await h.worker()
            # Known to be quick, so that replies are being held back when it dies.
            channel.send([(n, "echo", n) for n in range(1, 51)])
            await h.recorder.answer(1, 50)
            channel.send([(n, "echo", n) for n in range(51, 301)] + [(301, "die", how)])
            channel.send([(n, "echo", n) for n in range(302, 400)])
            exited = await h.exit_of()
            assert (exited.exit_code, exited.signal, exited.started) == (code, name, 301)
            assert sorted(h.recorder.answers) == [(1, n) for n in range(1, 301)]
            assert channel.send([(400, "echo", 1)]) == []
            channel.abort(400)
            channel.reclaim()
            channel.kill()
            channel.stop()

    asyncio.run(main())


def test_a_worker_that_is_killed_has_answered_all_it_finished(harness):
    async def main():
        async with harness() as h:
            for worker_id in range(1, 16):
                channel = await h.worker(worker_id)
                for start in range(1, 20001, 500):
                    channel.send([(n, "echo", n) for n in range(start, start + 500)])
                await h.recorder.until(lambda w=worker_id: any(key[0] == w for key in h.recorder.answers))
                os.kill(channel.pid, signal.SIGKILL)
                exited = await h.exit_of(worker_id)
                answered = sorted(n for w, n in h.recorder.answers if w == worker_id)
                assert exited.signal == "SIGKILL"
                # Killed between two tasks, or in one.
                assert len(answered) in (exited.started, exited.started - 1)
                assert answered == list(range(1, len(answered) + 1))

    asyncio.run(main())


@pytest.mark.parametrize("name", ["spin", "snooze", "stubborn"])
def test_abort_of_a_running_task(harness, appears, tmp_path, name):
    async def main():
        async with harness() as h:
            channel = await h.worker()
            channel.send([(1, name, str(tmp_path / "started")), (2, "echo", 2), (3, "echo", 3)])
            await appears(tmp_path / "started")
            channel.abort(1)
            sequence, status, value, run_time = await h.recorder.answer(1, 1)
            assert (sequence, status, value) == (1, ABORTED, None)
            assert run_time > 0
            assert (await h.recorder.answer(1, 3))[1:3] == (DONE, 3)
            assert h.recorder.answers[1, 2][1:3] == (DONE, 2)
            channel.abort(1)
            channel.abort(3)
            channel.send([(4, "echo", 4)])
            assert (await h.recorder.answer(1, 4))[1:3] == (DONE, 4)

    asyncio.run(main())


@pytest.mark.parametrize("source", [TASKS_FILE, ASYNC_SOURCE])
def test_abort_of_a_task_that_has_not_started(harness, appears, tmp_path, source):
    async def main():
        async with harness(source) as h:
            channel = await h.worker()
            channel.send([(1, "gate", (str(tmp_path / "started"), str(tmp_path / "end")))])
            await appears(tmp_path / "started")
            channel.send([(2, "echo", 2), (3, "echo", 3)])
            channel.abort(2)
            # Answered while the first still runs.
            assert await h.recorder.answer(1, 2) == (2, ABORTED, None, 0.0)
            assert (1, 1) not in h.recorder.answers
            (tmp_path / "end").touch()
            assert (await h.recorder.answer(1, 3))[2] == 3
            assert h.recorder.answers[1, 1][1:3] == (DONE, "gate")

    asyncio.run(main())


def test_abort_never_hits_another_task(harness):
    async def main():
        async with harness() as h:
            channel = await h.worker()
            aborted = set()
            total = 20000
            for start in range(1, total + 1, 100):
                channel.send([(n, "echo", n) for n in range(start, start + 100)])
                await asyncio.sleep(0)
                for n in (start + 30, start + 60):
                    channel.abort(n)
                    aborted.add(n)
            await h.recorder.answer(1, total)
            for n in range(1, total + 1):
                status = h.recorder.answers[1, n][1]
                assert status == DONE or (status == ABORTED and n in aborted)

    asyncio.run(main())


@pytest.mark.parametrize("source", [TASKS_FILE, ASYNC_SOURCE])
def test_reclaim_hands_back_what_has_not_started(harness, appears, tmp_path, source):
    async def main():
        async with harness(source) as h:
            channel = await h.worker()
            channel.send([(1, "gate", (str(tmp_path / "started"), str(tmp_path / "end")))])
            await appears(tmp_path / "started")
            channel.send([(n, "echo", n) for n in range(2, 500)])
            channel.reclaim()
            await h.recorder.until(lambda: len(h.recorder.answers) == 498)
            assert {reply[1:] for reply in h.recorder.answers.values()} == {(RETURNED, None, 0.0)}
            (tmp_path / "end").touch()
            await h.recorder.answer(1, 1)
            channel.send([(500, "echo", 1)])
            channel.reclaim()
            assert (await h.recorder.answer(1, 500))[1] in (DONE, RETURNED)

    asyncio.run(main())


def test_reclaim_behind_more_than_the_channel_holds(harness, appears, tmp_path):
    async def main():
        async with harness() as h:
            channel = await h.worker()
            channel.send([(1, "gate", (str(tmp_path / "started"), str(tmp_path / "end")))])
            await appears(tmp_path / "started")
            block = b"x" * 500_000
            channel.send([(n, "echo", [block]) for n in range(2, 12)])
            channel.reclaim()
            await h.recorder.until(lambda: len(h.recorder.answers) == 10)
            assert {reply[1] for reply in h.recorder.answers.values()} == {RETURNED}
            (tmp_path / "end").touch()
            await h.recorder.answer(1, 1)

    asyncio.run(main())


def test_large_data_and_results(harness):
    async def main():
        async with harness() as h:
            channel = await h.worker()
            block = os.urandom(3_000_000)
            channel.send([(1, "echo", block), (2, "echo", [block]), (3, "large", 70_000), (4, "echo", 4)])
            await h.recorder.answer(1, 4)
            assert h.recorder.answers[1, 1][2] == block
            assert h.recorder.answers[1, 2][2] == [block]
            assert len(h.recorder.answers[1, 3][2]) == 70_000

    asyncio.run(main())


def test_async_tasks_interleave_up_to_the_concurrency(harness, appears, tmp_path):
    async def main():
        async with harness(ASYNC_SOURCE) as h:
            channel = await h.worker(concurrency=2)
            channel.send([(1, "meet", "a"), (2, "meet", "b"), (3, "who", None)])
            assert (await h.recorder.answer(1, 2))[2] == ("b", 5002)
            assert (await h.recorder.answer(1, 1))[2] == ("a", 5001)
            assert (await h.recorder.answer(1, 3))[2][:2] == (5003, "who")
            channel.configure(WorkerSettings(1))
            channel.send([(4, "asleep", str(tmp_path / "started")), (5, "echo", 5), (6, "echo", 6)])
            await appears(tmp_path / "started")
            channel.abort(5)
            assert await h.recorder.answer(1, 5) == (5, ABORTED, None, 0.0)
            assert (1, 6) not in h.recorder.answers
            channel.abort(4)
            assert (await h.recorder.answer(1, 4))[1:3] == (ABORTED, None)
            assert h.recorder.answers[1, 4][3] > 0
            assert (await h.recorder.answer(1, 6))[2] == 6

    asyncio.run(main())


@pytest.mark.parametrize("name", ["asleep", "stubborn_async", "spin"])
def test_abort_in_an_async_worker(harness, appears, tmp_path, name):
    async def main():
        async with harness(ASYNC_SOURCE) as h:
            channel = await h.worker(concurrency=3)
            channel.send([(1, name, str(tmp_path / "started")), (2, "echo", 2)])
            await appears(tmp_path / "started")
            channel.abort(1)
            assert (await h.recorder.answer(1, 1))[1:3] == (ABORTED, None)
            assert (await h.recorder.answer(1, 2))[2] == 2
            channel.stop()
            assert (await h.exit_of()).exit_code == 0

    asyncio.run(main())


def test_abort_of_an_async_task_before_its_first_step(harness):
    async def main():
        async with harness(ASYNC_SOURCE) as h:
            channel = await h.worker(concurrency=3)
            for n in range(1, 60):
                channel.send([(n, "asleep", os.devnull)])
                channel.abort(n)
                assert (await h.recorder.answer(1, n))[1] == ABORTED

    asyncio.run(main())


def test_start_failures_arrive_as_themselves(harness, tmp_path):
    (tmp_path / "broken.py").write_text("class Broken(Exception): pass\n1 / 0\n")
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "leaves.py").write_text("raise SystemExit(4)\n")

    def refuse(what):
        raise LookupError(what)

    async def main():
        for source, kind, text in (
            (tmp_path / "broken.py", ZeroDivisionError, "division by zero"),
            (tmp_path / "empty.py", ValueError, "no attribute 'worker'"),
            (tmp_path / "leaves.py", SystemExit, "4"),
            ("poolifier.no_such_module", ModuleNotFoundError, "no_such_module"),
        ):
            async with harness(source) as h:
                channel = await h.worker()
                exited = await h.exit_of()
                assert type(exited.error) is kind
                assert text in str(exited.error)
                assert "Traceback" in str(exited.error.__cause__)
                assert exited.started == 0
                assert channel.send([(1, "echo", 1)]) == []
        async with harness(initializer=refuse, initargs=("x",)) as h:
            await h.worker()
            error = (await h.exit_of()).error
            assert (type(error), error.args) == (LookupError, ("x",))

    asyncio.run(main())


def test_a_worker_that_cannot_be_pickled(harness):
    lock = threading.Lock()

    def holds_a_lock():
        return lock

    async def main():
        with pytest.raises(errors.SerializationError, match="lock"):
            async with harness(holds_a_lock):
                pass

    asyncio.run(main())


def test_closures_and_initializers_travel(harness):
    offset = 40

    def setup(value):
        import builtins

        builtins.poolifier_test_value = value

    def add(data):
        import builtins

        return data + offset + builtins.poolifier_test_value

    async def main():
        async with harness(add, initializer=setup, initargs=(1,)) as h:
            channel = await h.worker()
            channel.send([(1, "default", 1)])
            assert (await h.recorder.answer(1, 1))[2] == 42

    asyncio.run(main())


def test_kill_before_the_process_is_known(harness):
    async def main():
        async with harness() as h:
            channel = h.backend.start_worker(1, 0, WorkerSettings())
            assert channel.pid is None
            channel.kill()
            exited = await h.exit_of()
            assert exited.signal == "SIGKILL"
            assert 1 not in h.recorder.ready

    asyncio.run(main())


@pytest.mark.parametrize("method", ["fork_server", "spawn"])
def test_environment_of_a_worker(harness, monkeypatch, tmp_path, method):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["a", "b"])
    cpu = min(os.sched_getaffinity(0))

    async def main():
        options = {"env": {"POOLIFIER_TEST": "yes"}, "nice": 3, "cpu_affinity": [cpu], "start_method": method}
        async with harness(**options) as h:
            channel = await h.worker()
            channel.send([(1, "where", None)])
            assert (await h.recorder.answer(1, 1))[2] == (str(tmp_path), ["a", "b"], "yes", 3, [cpu])

    asyncio.run(main())


def test_preload(harness, tmp_path):
    (tmp_path / "counted.py").write_text(
        f"import os\nwith open({str(tmp_path / 'loads')!r}, 'a') as f: f.write('x')\n"
        "def worker(data=None): return data\n"
    )

    async def main():
        async with harness(tmp_path / "counted.py", preload=True) as h:
            for worker_id in (1, 2, 3):
                channel = await h.worker(worker_id)
                channel.send([(1, "default", 1)])
                await h.recorder.answer(worker_id, 1)

    asyncio.run(main())
    assert (tmp_path / "loads").read_text() == "x"


def test_output_is_forwarded(harness, capsys):
    async def main():
        async with harness() as h:
            channel = await h.worker()
            channel.send([(n, "say", f"line {n} é") for n in range(1, 31)])
            channel.send([(31, "die", 1)])
            exited = await h.exit_of()
            lines = exited.stderr.splitlines()
            assert lines == [f"line {n} é" for n in range(11, 31)]

    asyncio.run(main())
    out, err = capsys.readouterr()
    assert out.splitlines() == err.splitlines() == [f"line {n} é" for n in range(1, 31)]


def test_output_that_the_parent_cannot_encode_is_not_lost(harness, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)

    async def main():
        async with harness() as h:
            monkeypatch.setattr(sys, "stdout", stream)
            channel = await h.worker()
            channel.send([(1, "say", "é"), (2, "die", 1)])
            await h.exit_of()

    asyncio.run(main())
    monkeypatch.undo()
    assert stream.buffer.getvalue() == b"\\xe9\n"


def test_a_forked_child_of_a_task_does_not_act_as_the_worker(harness, tmp_path):
    async def main():
        async with harness() as h:
            channel = await h.worker()
            channel.send([(1, "fork_and_return", 1)])
            assert (await h.recorder.answer(1, 1))[1:3] == (DONE, 0)
            channel.send([(2, "echo", 2)])
            assert (await h.recorder.answer(1, 2))[2] == 2

    asyncio.run(main())


def test_a_grandchild_does_not_hide_the_exit(harness):
    async def main():
        async with harness() as h:
            channel = await h.worker()
            channel.send([(1, "leave_grandchild", None), (2, "die", 5)])
            exited = await h.exit_of()
            assert exited.exit_code == 5
            os.kill(h.recorder.answers[1, 1][2], signal.SIGKILL)

    asyncio.run(main())


def test_the_loss_of_the_fork_server(harness, appears, tmp_path):
    async def main():
        async with harness() as h:
            channel = await h.worker()
            channel.send([(1, "spin", str(tmp_path / "started"))])
            await appears(tmp_path / "started")
            server = psutil.Process(channel.pid).parent()
            server.kill()
            exited = await h.exit_of()
            assert (exited.started, exited.signal, exited.exit_code) == (1, None, None)
            assert exited.reason == "was ended because the pool's fork server was killed by SIGKILL"
            channel = await h.worker(2)
            channel.send([(1, "echo", 1)])
            assert (await h.recorder.answer(2, 1))[2] == 1

    asyncio.run(main())


def test_garbage_from_a_worker_ends_that_worker(harness):
    def scribble(data):
        import os
        import stat

        for fd in range(3, 64):
            try:
                if stat.S_ISSOCK(os.fstat(fd).st_mode):
                    os.write(fd, b"garbage " * 10)
            except OSError:
                pass
        return 1

    async def main():
        async with harness(scribble) as h:
            channel = await h.worker()
            channel.send([(1, "default", 1)])
            exited = await h.exit_of()
            assert exited.signal == "SIGKILL"
            assert "garbage" in str(exited.error)

    asyncio.run(main())


def test_no_room_for_a_worker_leaves_nothing_open(harness, monkeypatch):
    async def main():
        async with harness() as h:
            await h.worker()
            before = descriptors()
            opened = 0

            def no_more(*_):
                nonlocal opened
                opened += 1
                if opened == 2:
                    raise OSError(24, "Too many open files")
                return real()

            real = os.pipe
            monkeypatch.setattr(os, "pipe", no_more)
            with pytest.raises(OSError, match="Too many"):
                h.backend.start_worker(2, 0, WorkerSettings())
            monkeypatch.undo()
            assert descriptors() == before
            channel = await h.worker(3)
            channel.send([(1, "echo", 1)])
            await h.recorder.answer(3, 1)

    asyncio.run(main())


def test_many_workers_at_once(harness):
    async def main():
        async with harness() as h:
            for worker_id in range(1, 41):
                h.backend.start_worker(worker_id, 0, WorkerSettings())
            await h.recorder.until(lambda: len(h.recorder.ready) == 40)

    asyncio.run(main())


def test_close_is_idempotent_and_constructor_does_nothing():
    async def main():
        backend = ProcessBackend(WorkerSource.from_argument(len), ProcessOptions())
        await backend.close()
        await backend.close()
        with pytest.raises(RuntimeError, match="not been started"):
            backend.start_worker(1, 0, WorkerSettings())

    asyncio.run(main())


def test_opening_and_closing_many_times(harness):
    async def main():
        for _ in range(30):
            async with harness() as h:
                await h.worker()
            assert descriptors() <= before

    # The first loop's own descriptors, epoll and self-pipe, are there once main runs.
    before = descriptors() + 3
    asyncio.run(main())


def test_uvloop(harness):
    uvloop = pytest.importorskip("uvloop")

    async def main():
        async with harness() as h:
            channel = await h.worker()
            channel.send([(n, "echo", n) for n in range(1, 1001)])
            await h.recorder.answer(1, 1000)
            channel.send([(1001, "die", 2)])
            assert (await h.exit_of()).exit_code == 2

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_times_of_a_worker(harness, appears, tmp_path):
    async def main():
        async with harness() as h:
            channel = await h.worker()
            loop = asyncio.get_running_loop()
            began = loop.time()
            await asyncio.sleep(0.05)
            channel.send([(1, "echo", 1)])
            await h.recorder.answer(1, 1)
            active, idle = h.recorder.times[1]
            assert idle > 0.03
            assert 0 < active + idle < loop.time() - began + 1

    asyncio.run(main())
