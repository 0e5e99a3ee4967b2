"""The fork server's own end is told as that: never as a signal that killed a worker, which nobody sent."""

import asyncio
import os
import signal
import sys

import psutil
import pytest

from poolifier import FixedProcessPool, UnsupportedError, WorkerCrashedError, WorkerStartError
from tests.faults.programs import run_program

pytestmark = pytest.mark.usefixtures("no_leaks")


def hang(_):
    while True:
        signal.pause()


def say_and_hang(path):
    sys.stderr.write("last words\n")
    path.write_text("begun")
    hang(None)


async def appears(path):
    while not path.exists():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_its_end_is_told_as_its_own(endure, tmp_path, number):
    errors = []

    async def main(guard):
        functions = {"hang": say_and_hang, "negate": abs}
        async with FixedProcessPool(2, functions, error_handler=lambda _, error: errors.append(error)) as pool:
            task = pool.execute(tmp_path / "begun", "hang")
            await appears(tmp_path / "begun")
            psutil.Process(pool.worker_nodes[0].pid).parent().send_signal(number)
            [error] = await guard.outcomes([task])
            assert isinstance(error, WorkerCrashedError)
            assert f"was ended because the pool's fork server was killed by {number.name}" in str(error)
            assert (error.signal, error.exit_code) == (None, None)
            assert error.stderr == "last words"
            assert await guard.outcomes([pool.execute(-1, "negate")]) == [1]
            await guard.healthy(pool)

    endure(main)
    assert len(errors) == 2
    assert all("fork server" in str(error) for error in errors)


def test_a_preloaded_module_that_ends_it_is_found_by_what_it_wrote(endure, tmp_path):
    module = tmp_path / "deadly.py"
    module.write_text(
        "import os, sys\n"
        "def worker(x):\n    return x\n"
        "if os.getppid() == int(os.environ['PROGRAM']):\n"
        "    sys.stderr.write('no such device\\n'); sys.stderr.flush(); os._exit(3)\n"
    )

    async def main(guard):
        pool = FixedProcessPool(1, str(module), preload=True, env={"PROGRAM": str(os.getpid())})
        with pytest.raises(WorkerStartError) as caught:
            await pool.start()
        assert "was ended because the pool's fork server exited with code 3 before it was ready" in str(caught.value)
        assert caught.value.stderr == "no such device"
        assert (caught.value.signal, caught.value.exit_code) == (None, None)

    endure(main)


def test_one_that_never_came_to_serve(endure, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nsys.stderr.write('bad luck\\n'); sys.stderr.flush(); os._exit(7)\n"
    )

    async def main(guard):
        pool = FixedProcessPool(1, abs, env={"PYTHONPATH": str(tmp_path)})
        with pytest.raises(WorkerStartError, match="fork server exited with code 7 before it served") as caught:
            await pool.start()
        assert caught.value.stderr == "bad luck"

    endure(main)


def test_a_site_that_runs_pools_in_every_python_ends(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import asyncio, os, sys\n"
        "sys.path += os.environ['MORE'].split(':')\n"
        "from poolifier import FixedProcessPool\n"
        "async def main():\n"
        "    async with FixedProcessPool(1, abs) as pool:\n"
        "        print(await pool.execute(-1))\n"
        "try:\n"
        "    asyncio.run(main())\n"
        "except Exception as error:\n"
        "    open(os.environ['REPORT'], 'a').write(type(error).__name__ + '\\n')\n"
    )
    report = tmp_path / "errors.txt"
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "MORE": ":".join(entry for entry in sys.path if entry),
        "REPORT": str(report),
    }
    program = run_program(tmp_path, "say('ends')", env=environment)
    assert program.said == ["ends"], program
    # What was started to be a fork server refuses, if it has the time to say so, and so does the program.
    assert report.read_text().split() in (["UnsupportedError"], ["UnsupportedError"] * 2)


@pytest.mark.parametrize("method", ["fork_server", "spawn"])
def test_the_pythons_that_workers_run_on_can_be_named(endure, tmp_path, method):
    python = tmp_path / "python-of-workers"
    python.symlink_to(sys.executable)

    async def main(guard):
        async with FixedProcessPool(1, which, executable=python, start_method=method, env=HOME) as pool:
            assert await guard.outcomes([pool.execute(0)]) == [str(python)]

    endure(main)


# Through a link Python does not find the packages of its virtual environment; they come by `sys.path`.
HOME = {"PYTHONHOME": None}


def which(_):
    return sys.executable


@pytest.mark.parametrize(
    ("executable", "why"),
    [
        ("/none/python3", "is no program that can be started: No such file or directory"),
        ("/", "is no program that can be started: Permission denied"),
        ("/bin/false", "exited with code 1"),
        ("/bin/cat", "the last lines of its standard error:\n/bin/cat: "),
    ],
)
def test_what_is_no_python_is_refused_with_the_way_out(endure, executable, why):
    async def main(guard):
        for method in ("fork_server", "spawn"):
            pool = FixedProcessPool(1, abs, executable=executable, start_method=method)
            with pytest.raises(UnsupportedError, match="executable='/usr/bin/python3'") as caught:
                await pool.start()
            assert executable in str(caught.value)
            assert why in str(caught.value)

    endure(main)


@pytest.mark.parametrize("executable", ["None", "''", "'/bin/false'", "'/usr/sbin/uwsgi'"])
def test_a_host_whose_executable_is_no_python(tmp_path, executable):
    source = f"""
        import asyncio, sys
        from poolifier import FixedProcessPool, UnsupportedError
        from poolifier.futures import ProcessPoolExecutor
        python, sys.executable = sys.executable, {executable}
        async def main():
            try:
                async with FixedProcessPool(1, abs):
                    say("started")
            except UnsupportedError as error:
                say("executable='/usr/bin/python3'" in str(error))
            async with FixedProcessPool(1, abs, executable=python) as pool:
                say(await pool.execute(-1))
        asyncio.run(main())
        with ProcessPoolExecutor(1) as executor:
            say(executor.submit(abs, -1).exception().__cause__.__class__.__name__)
        """
    program = run_program(tmp_path, source)
    assert program.said == ["True", "1", "UnsupportedError"], program


def test_the_option_is_checked():
    for wrong in (3, b"/usr/bin/python3", ["python3"]):
        with pytest.raises(TypeError, match="executable must be"):
            FixedProcessPool(1, abs, executable=wrong)
    for wrong in ("", "\0"):
        with pytest.raises(ValueError, match="executable must be"):
            FixedProcessPool(1, abs, executable=wrong)
