"""What only shows from outside: whole programs, and what is left when one of them is killed."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

PRELUDE = """
import asyncio, os, signal, sys, time
from poolifier.backends.process.backend import ProcessBackend
from poolifier.options import ProcessOptions
from poolifier.exchange import WorkerSettings
from poolifier.worker.source import WorkerSource

class Recorder:
    def __init__(self):
        self.ready, self.exits, self.answers, self.changed = {}, {}, {}, asyncio.Event()
    def worker_ready(self, worker_id, ready):
        self.ready[worker_id] = ready
        self.changed.set()
    def replies(self, worker_id, replies, active, idle):
        self.answers.update({reply[0]: reply for reply in replies})
        self.changed.set()
    def worker_exited(self, worker_id, exited):
        self.exits[worker_id] = exited
        self.changed.set()
    def worker_logged(self, worker_id, attributes):
        print(attributes, file=sys.stderr)
    async def until(self, condition):
        async with asyncio.timeout(120):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

async def start(source, **options):
    backend, recorder = ProcessBackend(WorkerSource.from_argument(source), ProcessOptions(**options)), Recorder()
    await backend.start(recorder)
    channel = backend.start_worker(1, 0, WorkerSettings())
    await recorder.until(lambda: recorder.ready or recorder.exits)
    # The server may be late to tell of a worker that is at work already.
    while channel.pid is None and not recorder.exits:
        await asyncio.sleep(0.001)
    return backend, recorder, channel
"""

MAIN_FUNCTIONS = (
    PRELUDE
    + """
OFFSET = 1

class Point:
    def __init__(self, x):
        self.x = x
    def shown(self):
        return helper(self.x)

class Odd(Exception):
    def __init__(self, *, code):
        super().__init__(code)
        self.code = code

def helper(x):
    return f"<{x}>"

def task(point):
    if point.x < 0:
        raise Odd(code=point.x)
    return Point(point.x + OFFSET)

async def main():
    shown = Point.__dict__["shown"]
    for method in ("fork_server", "spawn"):
        backend, recorder, channel = await start(task, start_method=method)
        print(recorder.exits or "ready")
        assert channel.send([(1, "task", Point(1), 1), (2, "task", Point(-1), 2), (3, "task", 5, 3)]) == []
        await recorder.until(lambda: len(recorder.answers) == 3)
        result, error, other = (recorder.answers[n][2] for n in (1, 2, 3))
        assert type(result) is Point and result.x == 2 and result.shown() == "<2>", result
        assert Point.__dict__["shown"] is shown
        assert type(error) is Odd and error.code == -1, error
        assert type(other) is AttributeError, other
        await backend.close()
    print("done")

asyncio.run(main())
"""
)


def still_alive(processes, seconds=2.0):
    """Those that live on for so long. A zombie is dead; it waits for an init that may be lazy."""
    deadline = time.monotonic() + seconds
    while alive := [process for process in processes if _lives(process)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.005)
    return alive


def _lives(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def run(arguments, text=None, **kwargs):
    return subprocess.run(
        [sys.executable, *arguments], input=text, capture_output=True, text=True, timeout=300, check=False, **kwargs
    )


@pytest.mark.parametrize("how", ["file", "command", "input"])
def test_functions_and_classes_of_main(tmp_path, how):
    script = tmp_path / "script.py"
    script.write_text(MAIN_FUNCTIONS)
    done = {
        "file": lambda: run([str(script)]),
        "command": lambda: run(["-c", MAIN_FUNCTIONS]),
        "input": lambda: run(["-"], MAIN_FUNCTIONS),
    }[how]()
    assert done.stdout == "ready\nready\ndone\n", done.stderr


def test_modules_beside_the_script_are_found_and_shared(tmp_path):
    (tmp_path / "shapes.py").write_text(
        "class Square:\n    def __init__(self, a): self.a = a\n"
        "def double(square): return Square(square.a * 2)\n"
        "worker = double\n"
    )
    (tmp_path / "script.py").write_text(
        PRELUDE
        + textwrap.dedent("""
        import shapes
        async def main():
            for source in (shapes.double, "shapes", "shapes:double", shapes.__file__, "shapes.py"):
                backend, recorder, channel = await start(source)
                channel.send([(1, "default", shapes.Square(2), 1)])
                await recorder.until(lambda: recorder.answers)
                result = recorder.answers[1][2]
                assert type(result) is shapes.Square and result.a == 4, result
                await backend.close()
            print("done")
        asyncio.run(main())
        """)
    )
    done = run(["script.py"], cwd=tmp_path)
    assert done.stdout == "done\n", done.stderr


BUSY = {
    "idle": "lambda data: None",
    "python": "lambda data: [None for _ in iter(int, 1)]",
    "sleeping": "lambda data: time.sleep(600)",
    "c code": "lambda data: sum(range(10 ** 12))",
    "deaf": "lambda data: (signal.pthread_sigmask(0, signal.valid_signals()), time.sleep(600))",
}


@pytest.mark.parametrize("method", ["fork_server", "spawn"])
@pytest.mark.parametrize("busy", BUSY)
def test_nothing_outlives_a_parent_that_is_killed(busy, method):
    script = PRELUDE + textwrap.dedent(f"""
    async def main():
        backend, recorder, channel = await start({BUSY[busy]}, start_method={method!r})
        if {busy!r} != "idle":
            channel.send([(1, "default", 1, 1)])
            while not channel._ledger.slots[0]:
                await asyncio.sleep(0.001)
        print(channel.pid, backend._server._process.pid, flush=True)
        await asyncio.sleep(600)
    asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        family = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        process.kill()
        process.wait()
        alive = still_alive(family)
        assert alive == []


def test_nothing_outlives_a_parent_that_is_killed_with_its_server():
    script = PRELUDE + textwrap.dedent("""
    async def main():
        backend, recorder, channel = await start(lambda data: sum(range(10 ** 12)))
        channel.send([(1, "default", 1, 1)])
        while not channel._ledger.slots[0]:
            await asyncio.sleep(0.001)
        print(channel.pid, flush=True)
        await asyncio.sleep(600)
    asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        worker = psutil.Process(int(process.stdout.readline()))
        server = worker.parent()
        server.suspend()
        process.kill()
        server.kill()
        process.wait()
        alive = still_alive([worker, server])
        assert alive == []


def test_nothing_outlives_a_parent_whose_own_fork_lives_on():
    script = PRELUDE + textwrap.dedent("""
    async def main():
        backend, recorder, channel = await start(lambda data: time.sleep(600))
        channel.send([(1, "default", 1, 1)])
        fork = os.fork()
        if not fork:
            time.sleep(600)
        print(channel.pid, fork, flush=True)
        await asyncio.sleep(600)
    asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        worker, fork = (psutil.Process(int(pid)) for pid in process.stdout.readline().split())
        family = [worker, worker.parent()]
        process.kill()
        process.wait()
        alive = still_alive(family)
        fork.kill()
        assert alive == []


def test_killed_while_workers_start():
    script = PRELUDE + textwrap.dedent("""
    async def main():
        backend, recorder = ProcessBackend(WorkerSource.from_argument(len), ProcessOptions()), Recorder()
        await backend.start(recorder)
        for worker_id in range(1, 30):
            backend.start_worker(worker_id, 0, WorkerSettings())
        await recorder.until(lambda: len(recorder.ready) > 3)
        print(backend._server._process.pid, flush=True)
        await asyncio.sleep(600)
    asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        server = int(process.stdout.readline())
        process.kill()
        process.wait()
        assert still_alive([p for p in psutil.process_iter() if _of_session(p.pid, server)]) == []


def test_interrupts_of_the_terminal_do_not_reach_workers():
    script = PRELUDE + textwrap.dedent("""
    async def main():
        backend, recorder, channel = await start(len)
        print(os.getsid(channel.pid) != os.getsid(0), os.getpgid(channel.pid) == channel.pid)
        os.kill(channel.pid, 2)
        channel.send([(1, "default", "abc", 1)])
        await recorder.until(lambda: recorder.answers)
        print(recorder.answers[1][2])
        await backend.close()
    asyncio.run(main())
    """)
    assert run(["-c", script]).stdout == "True True\n3\n"


def test_warnings_as_errors_and_isolated_mode():
    script = PRELUDE + textwrap.dedent("""
    async def main():
        backend, recorder, channel = await start(lambda data: sys.warnoptions)
        channel.send([(1, "default", 1, 1)])
        await recorder.until(lambda: recorder.answers or recorder.exits)
        print(recorder.answers[1][2], recorder.exits)
        await backend.close()
    asyncio.run(main())
    """)
    done = run(["-I", "-W", "error", "-X", "dev", "-c", script])
    assert "'error'" in done.stdout, done.stderr
    assert done.stderr == ""


def test_a_blocking_worker_never_imports_asyncio():
    script = PRELUDE + textwrap.dedent("""
    async def main():
        backend, recorder, channel = await start("poolifier_light_worker.py")
        channel.send([(1, "default", None, 1)])
        await recorder.until(lambda: recorder.answers)
        print(recorder.answers[1][2])
        await backend.close()
    open("poolifier_light_worker.py", "w").write('''
    import sys
    def worker():
        heavy = ("asyncio", "cloudpickle", "typing_extensions", "psutil", "pyee", "pathlib", "tempfile", "ctypes")
        return [name for name in sys.modules if name in heavy or name.startswith(("poolifier.pool", "poolifier.sch"))]
    ''')
    asyncio.run(main())
    """).replace("'''\n    import", "'''\nimport")
    script = script.replace("\n    import sys\n    def", "\nimport sys\ndef")
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        done = run(["-c", script], cwd=directory)
    assert done.stdout == "[]\n", done.stderr


def _of_session(pid, session):
    try:
        return os.getsid(pid) == session
    except (ProcessLookupError, PermissionError):
        return False


def test_signal_numbers_are_those_that_are_ignored_by_default():
    # A worker that has not installed its handler yet must survive a poke.
    assert signal.getsignal(signal.SIGURG) is signal.SIG_DFL
    os.kill(os.getpid(), signal.SIGURG)
