"""What only interpreter workers do: one process, many interpreters; modules that refuse; abandoned workers."""

import asyncio
import logging
import os
import re
import subprocess
import sys
import threading
import time

import pytest

from poolifier import (
    DynamicInterpreterPool,
    FixedInterpreterPool,
    FixedProcessPool,
    PoolEvent,
    TaskAborted,
    TaskTimeoutError,
    Worker,
    WorkerCrashedError,
    current_task,
    send_message,
)
from poolifier.worker.current_task import current_session


def echo(data):
    return data


def whoami(_):
    return os.getpid(), threading.get_ident(), sys.argv, sys.path


def count(_):
    global counted
    counted = globals().get("counted", 0) + 1
    return threading.get_ident(), counted


def test_workers_share_the_process_and_no_state(run):
    async def main():
        async with FixedInterpreterPool(2, {"whoami": whoami, "count": count}) as pool:
            assert pool.info.worker == "interpreter"
            who = await asyncio.gather(*(pool.execute(None, "whoami") for _ in range(200)))
            assert {pid for pid, *_ in who} == {os.getpid()}
            assert len({ident for _, ident, *_ in who}) == 2
            assert all(argv == sys.argv for *_, argv, _ in who)
            counts = {}
            for ident, number in await asyncio.gather(*(pool.execute(None, "count") for _ in range(200))):
                counts.setdefault(ident, []).append(number)
            assert all(sorted(numbers) == list(range(1, len(numbers) + 1)) for numbers in counts.values())
            assert len(counts) == 2
            assert "counted" not in globals(), "and this interpreter has none"

    run(main())


def test_python_runs_in_parallel(run):
    """Two workers are inside plain Python code at once, without letting go of a lock in between."""

    async def main():
        async with FixedInterpreterPool(2, meet) as pool:
            read, write = zip(*(os.pipe() for _ in range(2)), strict=True)
            try:
                # Longer than any switch between threads of one interpreter that shared a lock would allow.
                await asyncio.gather(pool.execute((read[0], write[1])), pool.execute((read[1], write[0])))
            finally:
                for fd in (*read, *write):
                    os.close(fd)

    run(main())


def meet(pipes):
    sys.setswitchinterval(1000)  # nobody takes the lock of this interpreter away
    os.set_blocking(pipes[0], False)
    os.write(pipes[1], b"x" * 1000)
    got = 0
    while got < 1000:
        try:
            got += len(os.read(pipes[0], 1))
        except BlockingIOError:
            continue


IMPORTS_A_REFUSER = "import psutil\n\nfrom poolifier import Worker\n\nworker = Worker(len)\n"


def import_refuser(name):
    __import__(name)


def test_a_module_that_refuses_at_start_is_named(run, tmp_path):
    path = tmp_path / "imports_a_refuser.py"
    path.write_text(IMPORTS_A_REFUSER)

    async def main():
        with pytest.raises(ImportError, match="_psutil_linux does not support loading in subinterpreters"):
            await FixedInterpreterPool(2, path).start()

    run(main())


def test_a_module_that_refuses_in_a_task_is_named(run):
    async def main():
        async with FixedInterpreterPool(1, import_refuser) as pool:
            for _ in range(2):
                with pytest.raises(ImportError, match="_psutil_linux does not support loading in subinterpreters"):
                    await pool.execute("psutil")
            await pool.execute("json")

    run(main())


# CPython names a module with its package where the program has loaded it before, and without it otherwise.
REFUSERS = {
    "psutil": "_psutil_linux",
    "numpy": "_multiarray_umath",
    "PIL.Image": "_imaging",
    "pydantic": "_pydantic_core",
    "greenlet": "_greenlet",
}


@pytest.mark.parametrize("name", REFUSERS)
def test_an_error_of_a_module_that_refuses_says_what_to_do(run, name):
    pytest.importorskip(name)
    advice = f"{REFUSERS[name]} cannot be loaded in interpreters: use a pool of processes for what imports it"

    async def main():
        async with FixedInterpreterPool(1, import_refuser) as pool:
            with pytest.raises(ImportError) as caught:
                await pool.execute(name)
            assert [note.rpartition(advice)[1] for note in caught.value.__notes__] == [advice]
            with pytest.raises(ImportError) as caught:
                await pool.execute("no_such_module")
            assert not any("interpreters" in note for note in getattr(caught.value, "__notes__", ()))
        async with FixedProcessPool(1, import_refuser) as pool:
            await pool.execute(name)

    run(main())


def test_an_error_at_start_of_a_module_that_refuses_says_what_to_do(run, tmp_path):
    path = tmp_path / "imports_a_refuser.py"
    path.write_text(IMPORTS_A_REFUSER)

    async def main():
        with pytest.raises(ImportError) as caught:
            await FixedInterpreterPool(1, path).start()
        assert any("_psutil_linux cannot be loaded in interpreters" in note for note in caught.value.__notes__)

    run(main())


def which_msgpack(_):
    from msgpack import Packer

    return Packer.__module__


def has_libyaml(_):
    import yaml

    return yaml.__with_libyaml__


def which_protobuf(_):
    from google.protobuf.internal import api_implementation

    return api_implementation.Type()


@pytest.mark.parametrize(
    ("module", "function", "fast", "slow"),
    [
        ("msgpack", which_msgpack, "msgpack._cmsgpack", "msgpack.fallback"),
        ("yaml", has_libyaml, True, False),
        ("google.protobuf", which_protobuf, "upb", "python"),
    ],
)
def test_some_libraries_are_slower_in_interpreters_and_do_not_say_so(run, module, function, fast, slow):
    pytest.importorskip(module)

    async def main():
        async with FixedInterpreterPool(1, function) as there, FixedProcessPool(1, function) as here:
            assert (await here.execute(), await there.execute()) == (fast, slow)

    run(main())


def block(fd):
    if fd is not None:
        try:
            send_message("begun")
            os.read(fd, 1)  # in C: nothing can be raised in it before it ends
        except TaskAborted:
            os.read(fd, 1)  # that came before it, or now that it has ended, and comes once
    return "late"


@pytest.fixture
def pipe():
    read, write = os.pipe()
    yield read, write
    os.close(read)
    os.close(write)


def test_an_interpreter_that_cannot_be_stopped_is_abandoned_replaced_and_reported(run, until, caplog, pipe):
    async def main():
        threads = threading.active_count()
        errors, heard = [], []
        handlers = {
            "error_handler": lambda *what: errors.append(what),
            "message_handler": lambda *what: heard.append(what),
        }
        async with FixedInterpreterPool(1, block, abort_grace=0.05, **handlers) as pool:
            events = []
            pool.emitter.on(PoolEvent.ERROR, events.append)
            stuck = pool.worker_nodes[0]
            future = pool.execute(pipe[0])
            waiting = [pool.execute() for _ in range(5)]
            await until(lambda: heard)
            future.cancel()
            assert await asyncio.gather(*waiting) == ["late"] * 5
            assert pool.worker_nodes[0].id != stuck.id
            ((node, error),) = errors
            assert (node.id, type(error)) == (stuck.id, WorkerCrashedError)
            assert "abandoned" in str(error)
            assert events == [error]
            os.write(pipe[1], b"xx")
            await until(lambda: threading.active_count() == threads + 1)
            assert pool.info.executed_tasks == 5
        assert "is abandoned" in caplog.text
        assert f"poolifier: {pool.info.name} worker {stuck.id}" in caplog.text
        await until(lambda: threading.active_count() == threads)

    with caplog.at_level(logging.WARNING, "poolifier"):
        run(main())


@pytest.mark.usefixtures("no_leaks")
def test_destroy_does_not_wait_for_what_is_stuck(run, until, caplog, pipe):
    async def main():
        threads = threading.active_count()
        heard = []
        handle = lambda *what: heard.append(what)  # noqa: E731
        options = {"tasks_finished_timeout": 0.1}
        pool = FixedInterpreterPool(1, block, abort_grace=0.1, tasks_queue_options=options, message_handler=handle)
        await pool.start()
        future = pool.execute(pipe[0])
        await until(lambda: heard)
        await asyncio.wait_for(pool.destroy(), 120)
        assert future.cancelled()
        assert "go on after the pool's end" in caplog.text
        os.write(pipe[1], b"xx")
        await until(lambda: threading.active_count() == threads)

    run(main())


def start_slowly():
    time.sleep(3)


def test_a_start_that_hangs_can_be_left(run, until):
    async def main():
        threads = threading.active_count()
        pool = FixedInterpreterPool(1, echo, initializer=start_slowly, abort_grace=0.1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pool.start(), 0.2)
        await until(lambda: threading.active_count() == threads)

    run(main())


def write_mark(job):
    path, descriptor = job
    with open(path, "a") as file:  # noqa: PTH123
        file.write(f"{current_task().id}\n")
    if descriptor is not None:
        send_message("begun")
        os.read(descriptor, 1)  # in C, where nothing can be raised in it


def test_what_an_abandoned_worker_had_not_started_runs_once(run, until, tmp_path, pipe):
    path = str(tmp_path / "marks")

    async def main():
        threads = threading.active_count()
        heard = []
        handle = lambda *what: heard.append(what)  # noqa: E731
        async with FixedInterpreterPool(1, write_mark, abort_grace=0.05, message_handler=handle) as pool:
            await pool.execute((path, None))
            stuck = pool.execute((path, pipe[0]))
            waiting = [pool.execute((path, None)) for _ in range(100)]
            await until(lambda: heard)
            stuck.cancel()
            await asyncio.gather(*waiting)
        os.write(pipe[1], b"x")
        await until(lambda: threading.active_count() == threads)

    for _ in range(3):
        run(main())
    with open(path) as file:  # noqa: PTH123
        assert len(file.readlines()) == 3 * 102


def test_processes_start_and_work_beside_interpreters(run):
    """A fork of this process would be the end of it."""

    async def main():
        async with FixedInterpreterPool(2, echo) as interpreters:
            async with FixedProcessPool(2, echo) as processes:
                for pool in (interpreters, processes, interpreters):
                    assert await asyncio.gather(*(pool.execute(n) for n in range(100))) == list(range(100))
            async with FixedProcessPool(1, echo, start_method="spawn") as processes:
                assert await processes.execute(1) == 1
            assert await interpreters.execute(2) == 2

    run(main())


def try_to_fork(_):
    return os.fork()


def test_a_task_that_forks_gets_an_error(run):
    async def main():
        async with FixedInterpreterPool(1, try_to_fork) as pool:
            with pytest.raises(RuntimeError, match="fork not supported"):
                await pool.execute()

    run(main())


def start_a_program(_):
    return subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, text=True, check=True).stdout


def test_a_task_may_start_a_program(run):
    async def main():
        async with FixedInterpreterPool(1, start_a_program) as pool:
            assert await pool.execute() == "1\n"

    run(main())


PRINTS = """
import asyncio, sys
from poolifier import FixedInterpreterPool

def speak(word):
    print(word)
    print(word.upper(), file=sys.stderr)

async def main():
    async with FixedInterpreterPool(1, speak) as pool:
        for word in ("one", "two"):
            await pool.execute(word)
        print("main", flush=True)

asyncio.run(main())
"""


def test_output_goes_where_that_of_the_process_goes():
    ended = subprocess.run([sys.executable, "-c", PRINTS], capture_output=True, text=True, timeout=300, check=True)
    assert (ended.stdout, ended.stderr) == ("one\ntwo\nmain\n", "ONE\nTWO\n")


@pytest.mark.parametrize(
    "option", [{"env": {}}, {"nice": 1}, {"cpu_affinity": [0]}, {"start_method": "spawn"}, {"preload": True}]
)
def test_options_of_processes_are_refused(option):
    (name,) = option
    with pytest.raises(TypeError, match=re.escape(f"has no option {name!r}: it is one of process pools")):
        FixedInterpreterPool(1, echo, **option)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="at least 1, not 0"):
        FixedInterpreterPool(0, echo)
    with pytest.raises(TypeError, match="max must be"):
        DynamicInterpreterPool(0, None, echo)


def leave_a_thread(_):
    threading.Thread(target=time.sleep, args=(0.3,)).start()


@pytest.mark.usefixtures("no_leaks")
def test_a_thread_that_a_task_leaves_holds_up_nothing_but_its_interpreter(run, until):
    async def main():
        threads = threading.active_count()
        async with FixedInterpreterPool(1, Worker({"leave": leave_a_thread, "echo": echo})) as pool:
            first = pool.worker_nodes[0].id
            await pool.execute(None, "leave")
            assert await pool.execute(1, "echo") == 1
            assert pool.worker_nodes[0].id == first
        await until(lambda: threading.active_count() == threads)

    run(main())


class Late:
    """Its finalizer takes so long that it is interrupted, which Python does not let it pass on."""

    def __del__(self):
        send_message("begun")
        while True:
            time.sleep(0.001)


def finalize(_):
    Late()
    send_message("went on")
    while True:
        time.sleep(0.001)


def test_an_abort_that_a_finalizer_swallows_is_raised_again(run, until):
    async def main():
        heard = []
        handle = lambda _, word: heard.append(word)  # noqa: E731
        functions = {"finalize": finalize, "whoami": whoami}
        async with FixedInterpreterPool(1, functions, abort_grace=60, message_handler=handle) as pool:
            worker = await pool.execute(None, "whoami")
            future = pool.execute(None, "finalize")
            await until(lambda: heard)
            future.cancel()
            assert await asyncio.wait_for(pool.execute(None, "whoami"), 120) == worker
            assert heard in (["begun"], ["begun", "went on"])
            assert pool.info.aborted_tasks == 1

    run(main())


def talk_nonsense(_):
    current_session().link.send(b"nonsense " * 100)
    while True:
        time.sleep(0.01)


def test_a_worker_that_talks_nonsense_ends_and_it_is_said_why(run):
    async def main():
        async with FixedInterpreterPool(1, {"nonsense": talk_nonsense, "echo": echo}) as pool:
            with pytest.raises(WorkerCrashedError, match=r"was ended because its connection was garbled: .* while it"):
                await pool.execute(name="nonsense")
            assert await pool.execute("still here", "echo") == "still here"

    run(main())


def read_or_return(data):
    return os.read(data["descriptor"], 1) if isinstance(data, dict) else data


def test_what_has_ended_is_answered_though_the_next_one_is_stuck_in_c(run):
    async def main():
        reads, writes = os.pipe()
        try:
            async with FixedInterpreterPool(1, read_or_return, abort_grace=0.1) as pool:
                await pool.map_execute(range(2_000))
                await asyncio.gather(*map(pool.execute, range(200)))
                ended = [pool.execute(number, timeout=60) for number in range(3)]
                stuck = pool.execute({"descriptor": reads}, timeout=0.5)
                assert await asyncio.wait_for(asyncio.gather(*ended), 30) == [0, 1, 2]
                assert not stuck.done()
                with pytest.raises(TaskTimeoutError):
                    await asyncio.wait_for(stuck, 30)
                assert await pool.execute(4) == 4
                os.write(writes, b"x")
        finally:
            os.close(reads)
            os.close(writes)

    run(main())
