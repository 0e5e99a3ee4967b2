"""Whatever a program has set up for itself, its pools start and run: it does not reach their own channels."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.faults.programs import run_program

ROOT = Path(__file__).parents[2]

# One program for all kinds, since what it takes is mostly the start of a Python.
BODY = """
import asyncio

def negate(x):
    return -x

class Odd:
    pass

def kinds():
    import poolifier
    yield poolifier.FixedProcessPool, {}
    yield poolifier.FixedProcessPool, {"start_method": "spawn"}
    yield poolifier.FixedThreadPool, {}
    try:
        poolifier.FixedInterpreterPool(1, negate)
    except poolifier.UnsupportedError:
        return
    yield poolifier.FixedInterpreterPool, {}

async def main():
    for kind, options in kinds():
        async with kind(2, negate, **options) as pool:
            for number in range(3):
                assert await pool.execute(number) == -number
                # Idle workers wait for something to do, which a channel that does not block would not let them.
                await asyncio.sleep(0.02)
            assert await asyncio.gather(*map(pool.execute, range(100))) == [-number for number in range(100)]
            assert (await pool.map_execute([1.5] * 1000)) == [-1.5] * 1000
        say(kind.__name__, *options.values())

def everywhere():
    asyncio.run(main())
    from poolifier.futures import ProcessPoolExecutor
    with ProcessPoolExecutor(1) as executor:
        assert list(executor.map(negate, range(5))) == [0, -1, -2, -3, -4]
    say("executor")

"""

SETTINGS = {
    "a default timeout of sockets": "import socket; socket.setdefaulttimeout(10)",
    "one that is short": "import socket; socket.setdefaulttimeout(0.001)",
    "one of zero": "import socket; socket.setdefaulttimeout(0)",
    "SIGPIPE ends": "import signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL)",
    "SIGCHLD is ignored": "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    "a handler of SIGCHLD that waits for every child": """
        import os, signal
        def reap(*_):
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                pass
        signal.signal(signal.SIGCHLD, reap)
        """,
    "all signals blocked": "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())",
    "SIGURG and SIGTERM are ignored": """
        import signal
        signal.signal(signal.SIGURG, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        """,
    "arguments that are no strings": """
        import enum, pathlib, sys
        class Word(enum.StrEnum):
            WORD = "word"
        sys.argv += [pathlib.Path("x"), b"\\xff", 3, Odd(), Word.WORD, "\\udcff", "\\0"]
        """,
    "no arguments": "import sys; del sys.argv",
    "arguments of None": "import sys; sys.argv = None",
    "arguments of many": "import sys; sys.argv += ['x' * 70_000] * 3 + ['y' * 1_000_000]",
    "standard input closed": "import os; os.close(0)",
    "standard output closed": "import os; os.close(1)",
    "standard streams closed": "import os; os.closerange(0, 3)",
    "standard streams closed by Python": "import sys; sys.stdin.close(); sys.stdout.close(); sys.stderr.close()",
    "no standard streams": """
        import os, sys
        sys.stdin = sys.stdout = sys.stderr = sys.__stdin__ = sys.__stdout__ = sys.__stderr__ = None
        os.closerange(0, 3)
        """,
    "standard streams of no use": """
        import sys
        class Useless:
            def write(self, text):
                raise OSError
        sys.stdout = Useless()
        # Python itself takes it for a failure of the program that this cannot be flushed at its end.
        import atexit
        atexit.register(setattr, sys, "stdout", None)
        """,
    "a current directory that is gone": """
        import os, tempfile
        gone = tempfile.mkdtemp()
        os.chdir(gone)
        os.rmdir(gone)
        """,
    "a umask that leaves nothing": "import os; os.umask(0o777)",
    "a search path with odd entries": """
        import pathlib, sys
        class Text(str):
            pass
        sys.path[:0] = [pathlib.Path("/tmp"), Text("/tmp/none"), b"/tmp", None, "", "relative"]
        """,
    "a low limit of recursion": "import sys; sys.setrecursionlimit(150)",
    "long turns of threads": "import sys; sys.setswitchinterval(1.0)",
    "warnings are errors": "import warnings; warnings.simplefilter('error')",
    "a fault handler": "import faulthandler; faulthandler.enable()",
    "memory is traced": "import tracemalloc; tracemalloc.start(25)",
    "a profiler": "import sys, threading; sys.setprofile(lambda *_: None); threading.setprofile(lambda *_: None)",
    "a tracer": """
        import sys, threading
        def trace(*_):
            return trace
        sys.settrace(trace)
        threading.settrace(trace)
        """,
    "hooks that raise": """
        import sys, threading
        def hook(*_):
            raise RuntimeError
        sys.excepthook = threading.excepthook = sys.unraisablehook = hook
        """,
    "an audit hook": "import sys; sys.addaudithook(lambda *_: None)",
    "no environment": "import os; os.environ.clear()",
    "a large environment": "import os; os.environ['LARGE'] = 'x' * 120_000",
    "a small stack": """
        import resource
        resource.setrlimit(resource.RLIMIT_STACK, (300_000, resource.getrlimit(resource.RLIMIT_STACK)[1]))
        """,
    "small files": "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))",
    "few descriptors": "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))",
    "an interpreter that asks": "import os; os.environ['PYTHONINSPECT'] = '1'; os.environ['PYTHONSTARTUP'] = '/none'",
    "another Python for multiprocessing": """
        import multiprocessing, sys
        multiprocessing.set_executable(sys.executable)
        sys.executable = "/bin/false"
        """,
    "an executable in bytes": "import os, sys; sys.executable = os.fsencode(sys.executable)",
    "timers that interrupt": """
        import atexit, signal
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        # Python puts its handlers back before it ends.
        atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)
        """,
    "no directory for temporary files": """
        import os, tempfile
        os.environ["TMPDIR"] = tempfile.tempdir = "/none"
        """,
    "a long path of temporary files": """
        import os, tempfile
        long = os.path.join(tempfile.mkdtemp(), "x" * 200)
        os.mkdir(long)
        os.environ["TMPDIR"] = tempfile.tempdir = long
        """,
    "no home": "import os; os.environ['HOME'] = '/none'",
    "ignored signals": """
        import signal
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        """,
}

FLAGS = {
    "isolated": ["-I"],
    "no environment": ["-E"],
    "no site of the user": ["-s"],
    "a safe path": ["-P"],
    "development": ["-X", "dev"],
    "warnings are errors": ["-W", "error"],
    "optimised": ["-OO"],
    "bytes are no text": ["-bb"],
    "no UTF-8 mode": ["-X", "utf8=0"],
    "no site": ["-S"],
    "inspect": ["-i"],
}


def check(program):
    assert program.code == 0, program
    assert program.said[:3] == ["FixedProcessPool", "FixedProcessPool spawn", "FixedThreadPool"], program
    assert program.said[-1] == "executor", program


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_a_program_sets_is_no_concern_of_its_pools(tmp_path, setting):
    source = BODY + textwrap.dedent(SETTINGS[setting]) + "\nif __name__ == '__main__':\n    everywhere()\n"
    program = run_program(tmp_path, source)
    check(program)


@pytest.mark.parametrize("flags", FLAGS)
def test_nor_is_what_it_was_started_with(tmp_path, flags):
    paths = [entry for entry in sys.path if entry]
    source = f"import sys\nsys.path += {paths!r}\n{BODY}\nif __name__ == '__main__':\n    everywhere()\n"
    program = run_program(tmp_path, source, flags=FLAGS[flags])
    check(program)


def test_a_traced_program_goes_on_when_tasks_of_threads_are_aborted(tmp_path):
    """On Python 3.11 that would not get past a call while an exception is coming, or was cleared, in another thread."""
    source = """
        import asyncio, sys, threading
        from poolifier import FixedThreadPool, TaskTimeoutError
        release = threading.Event()
        def spin(_):
            while True:
                pass
        def stand(_):
            release.wait()
        async def main():
            async with FixedThreadPool(1, {"spin": spin, "stand": stand}, abort_grace=0.1) as pool:
                for name in ("spin", "stand", "spin"):
                    try:
                        await pool.execute(0, name, timeout=0.05)
                    except TaskTimeoutError:
                        say(name)
                release.set()
        sys.settrace(lambda *_: None)
        asyncio.run(main())
        say("over")
        """
    program = run_program(tmp_path, source)
    assert program.said == ["spin", "stand", "spin", "over"], program


def test_relative_entries_of_the_search_path_of_the_environment(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "found_there.py").write_text("def work(x):\n    return -x\n")
    source = """
        import asyncio, sys
        from poolifier import FixedProcessPool
        from found_there import work
        async def main():
            for method in ("fork_server", "spawn"):
                async with FixedProcessPool(1, work, start_method=method) as pool:
                    say(await pool.execute(3))
        asyncio.run(main())
        """
    path = os.pathsep.join(["below", str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    program = run_program(tmp_path, source, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path})
    assert program.said == ["-3", "-3"], program


def test_workers_have_the_arguments_of_the_program_as_text(tmp_path):
    source = """
        import asyncio, pathlib, sys
        from poolifier import FixedProcessPool
        def arguments(_):
            return sys.argv[1:]
        async def main():
            for method in ("fork_server", "spawn"):
                async with FixedProcessPool(1, arguments, start_method=method) as pool:
                    say(await pool.execute(0) == ["given", "a/b", "7", "x" * 200_000])
        sys.argv += [pathlib.Path("a/b"), 7, "x" * 200_000]
        asyncio.run(main())
        """
    program = run_program(tmp_path, source, "given")
    assert program.said == ["True", "True"], program


def test_a_program_whose_pipes_break_by_a_signal_outlives_its_workers(tmp_path):
    """By default a write to what is gone ends the program, and Python sets that aside; many programs set it back."""
    source = """
        import asyncio, os, signal
        from poolifier import DynamicProcessPool, WorkerCrashedError
        def die(_):
            os.kill(os.getpid(), signal.SIGKILL)
        def size(data):
            return len(data)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        async def main():
            async with DynamicProcessPool(1, 2, {"size": size, "die": die}, restart_limit=(1000, 1.0)) as pool:
                for _ in range(20):
                    dying = [pool.execute(name="die") for _ in range(2)]
                    # More than a channel holds, in three ways: so some of it is written to workers that are gone.
                    data = [bytes(60_000), [bytes(60_000)] * 5, bytes(600_000)]
                    for some in data * 10:
                        dying.append(pool.execute(some, retries=5))
                        await asyncio.sleep(0)
                    outcomes = await asyncio.gather(*dying, return_exceptions=True)
                    assert sum(isinstance(outcome, WorkerCrashedError) for outcome in outcomes) >= 2
            say("lives")
        asyncio.run(main())
        """
    program = run_program(tmp_path, source)
    assert program.said == ["lives"], program


SET_LATER = """
    import asyncio, os, signal, socket
    import poolifier
    from poolifier import DynamicProcessPool, DynamicInterpreterPool, UnsupportedError

    def initialize():
        socket.setdefaulttimeout(0.01)
        if hasattr(signal, "SIGPIPE") and {kind!r} == "DynamicProcessPool":
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)

    def use(x):
        socket.setdefaulttimeout(0.02)
        return -x

    async def later(x):
        socket.setdefaulttimeout(0.03)
        await asyncio.sleep(0)
        return -x

    def stream(n):
        socket.setdefaulttimeout(0.01)
        yield from range(n)

    async def main():
        functions = {{"use": use, "later": later, "stream": stream, "size": len}}
        async with getattr(poolifier, {kind!r})(1, 3, functions, initializer=initialize{options}) as pool:
            assert await pool.execute(1) == -1
            await asyncio.sleep(0.1)
            # Between the start and the growth.
            socket.setdefaulttimeout(0.05)
            for number in range(3):
                assert await asyncio.gather(*[pool.execute(n) for n in range(50)]) == [-n for n in range(50)]
                assert await asyncio.gather(*[pool.execute(n, "later") for n in range(50)]) == [-n for n in range(50)]
                assert [item async for item in pool.stream(1000, "stream")] == list(range(1000))
                await asyncio.sleep(0.1)
            assert pool.info.worker_nodes == 3
            assert await pool.execute(b"x" * 300_000, "size") == 300_000
        say("right")
    asyncio.run(main())
    """


SHARED = """
    import asyncio, multiprocessing, socket, time
    from multiprocessing import shared_memory
    from poolifier import {kind}

    # The workers' end waits longer than that for a lock, and the program's for somebody to want one.
    socket.setdefaulttimeout({timeout})
    kept = None

    def keep(*things):
        global kept
        socket.setdefaulttimeout({timeout})
        kept = things

    def add(times):
        lock, value = kept
        for _ in range(times):
            with lock:
                value.value += 1
        return times

    def read(name):
        socket.setdefaulttimeout({timeout})
        block = shared_memory.SharedMemory(name)
        try:
            return bytes(block.buf[:3])
        finally:
            block.close()

    async def main():
        context = multiprocessing.get_context("fork")
        things = context.Lock(), context.RawValue("i", 0)
        block = shared_memory.SharedMemory(create=True, size=10)
        block.buf[:3] = b"all"
        functions = {{"add": add, "read": read}}
        try:
            async with {kind}(2, functions, initializer=keep, initargs=things{options}) as pool:
                things[0].acquire()
                tasks = [pool.execute(20, "add") for _ in range(4)]
                await asyncio.sleep(0.3)
                assert not any(task.done() for task in tasks)
                things[0].release()
                await asyncio.gather(*tasks)
                assert things[1].value == 80
                assert await pool.execute(block.name, "read") == b"all"
            async with {kind}(1, functions{options}) as pool:
                assert await pool.execute(block.name, "read") == b"all"
        finally:
            block.close()
            block.unlink()
        say("right")

    if __name__ == "__main__":
        asyncio.run(main())
    """


@pytest.mark.parametrize("timeout", [0.001, 0])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("FixedProcessPool", ""),
        ("FixedProcessPool", ", start_method='spawn'"),
        pytest.param(
            "FixedInterpreterPool", "", marks=pytest.mark.skipif(sys.version_info < (3, 13), reason="there are none")
        ),
    ],
)
def test_locks_and_shared_memory_do_without_the_default_timeout(tmp_path, kind, options, timeout):
    program = run_program(tmp_path, SHARED.format(kind=kind, options=options, timeout=timeout))
    assert program.said == ["right"], program
    assert "resource_tracker" not in str(program), program


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("DynamicProcessPool", ""),
        ("DynamicProcessPool", ", start_method='spawn'"),
        ("DynamicProcessPool", ", preload=True"),
        pytest.param(
            "DynamicInterpreterPool",
            "",
            marks=pytest.mark.skipif(sys.version_info < (3, 13), reason="there are no interpreters before 3.13"),
        ),
    ],
)
def test_a_timeout_that_is_set_by_an_initializer_a_task_or_later_by_the_program(tmp_path, kind, options):
    program = run_program(tmp_path, SET_LATER.format(kind=kind, options=options))
    assert program.said == ["right"], program


def test_a_start_through_a_launcher_that_stays(tmp_path):
    """A script that runs Python without becoming it stands between the program and its fork server."""
    launcher = tmp_path / "launch"
    launcher.write_text(f'#!/bin/sh\n"{sys.executable}" "$@"\nexit $?\n')
    launcher.chmod(0o755)
    source = """
        import asyncio, sys
        from poolifier import FixedProcessPool
        async def main():
            for method in ("fork_server", "spawn"):
                async with FixedProcessPool(1, abs, start_method=method, executable=sys.argv[1]) as pool:
                    # Longer than the fork server takes to look after its parent.
                    await asyncio.sleep(1.2)
                    say(await pool.execute(-1))
        asyncio.run(main())
        """
    program = run_program(tmp_path, source, str(launcher))
    assert program.said == ["1", "1"], program
    assert not subprocess.run(["pgrep", "-f", str(launcher)], capture_output=True, check=False).stdout
