"""The kernel refuses what pools ask for, as an old one, gVisor or a seccomp filter does: done without, or said so."""

import platform
import sys
from pathlib import Path

import pytest

from tests.faults.programs import run_program
from tests.faults.seccomp import NUMBERS

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in NUMBERS, reason="needs the numbers of Linux's system calls"
)

REFUSED = """
    import asyncio, errno, os, signal, sys, time
    sys.path.append({root!r})
    from tests.faults.seccomp import refuse

    refuse({calls!r}, errno.{error})

    """

# All that a worker's life consists of.
BODY = (
    REFUSED
    + """
    from poolifier import DynamicProcessPool, SharedBuffer, TaskTimeoutError, WorkerCrashedError

    def size(data):
        return len(data)

    def kill(_):
        os.kill(os.getpid(), signal.SIGKILL)

    def hang(_):
        while True:
            time.sleep(0.001)

    def never(_):
        while True:
            try:
                time.sleep(600)
            except BaseException:
                pass

    def fill(shared):
        shared.buffer[:5] = b"there"
        return shared

    async def main():
        functions = {{"size": size, "kill": kill, "hang": hang, "never": never, "fill": fill}}
        for method in ("fork_server", "spawn"):
            async with DynamicProcessPool(1, 2, functions, start_method=method, abort_grace=0.1) as pool:
                assert await asyncio.gather(*map(pool.execute, ["x" * n for n in range(200)])) == list(range(200))
                for length in (100_000, 5_000_000):
                    assert await pool.execute(bytes(length)) == length
                shared = SharedBuffer(1 << 20)
                assert bytes((await pool.execute(shared, "fill")).buffer[:5]) == bytes(shared.buffer[:5]) == b"there"
                for name in ("hang", "never"):
                    began = time.monotonic()
                    try:
                        await pool.execute(name=name, timeout=0.1)
                    except TaskTimeoutError:
                        assert time.monotonic() - began < 240
                        said = name
                    assert said == name
                try:
                    await pool.execute(name="kill")
                except WorkerCrashedError as error:
                    assert error.signal == "SIGKILL", error
                assert await pool.execute("still") == 5
            say(method)
    asyncio.run(main())
    """
)

CALLS = [
    ["pidfd_open"],
    ["pidfd_send_signal"],
    ["memfd_create"],
    ["memfd_create", "fallocate"],
    ["fcntl:1033"],  # F_ADD_SEALS
    ["fcntl:10"],  # F_SETSIG
    ["setsid"],
    ["setpgid"],
    ["sched_getaffinity"],
    ["close_range"],
    ["madvise::9"],  # MADV_REMOVE
    ["chdir"],
    ["pidfd_open", "pidfd_send_signal", "memfd_create", "setsid", "setpgid", "fcntl:10", "madvise::9"],
]


@pytest.mark.once
@pytest.mark.parametrize("error", ["EPERM", "ENOSYS"])
@pytest.mark.parametrize("calls", CALLS, ids="-".join)
def test_done_without(tmp_path, calls, error):
    program = run_program(tmp_path, BODY.format(root=str(ROOT), calls=calls, error=error))
    assert program.said == ["fork_server", "spawn"], program
    assert program.code == 0


FAILS = (
    REFUSED
    + """
    import tempfile
    from poolifier import FixedProcessPool

    tempfile.tempdir = "/none"
    async def main():
        async with FixedProcessPool(1, abs{options}):
            say("started")
    try:
        asyncio.run(main())
    except Exception as error:
        say(type(error).__name__, error)
    """
)


@pytest.mark.parametrize(
    ("calls", "options", "said"),
    [
        (["setpriority"], ", nice=5", "nice 5 is refused"),
        (["sched_setaffinity"], ", cpu_affinity=[0]", "cpu_affinity (0,)"),
    ],
)
def test_what_was_asked_for_and_is_refused_is_named(tmp_path, calls, options, said):
    program = run_program(tmp_path, FAILS.format(root=str(ROOT), calls=calls, error="EPERM", options=options))
    assert len(program.said) == 1, program
    assert program.said[0].startswith("PermissionError"), program
    assert said in program.said[0]
    assert "Operation not permitted" in program.said[0]


def test_where_no_memory_can_be_shared_at_all_the_call_is_named(tmp_path):
    source = FAILS.replace(
        'tempfile.tempdir = "/none"', 'tempfile.tempdir = "/none"; os.path.isdir = lambda path: path != "/dev/shm"'
    )
    program = run_program(tmp_path, source.format(root=str(ROOT), calls=["memfd_create"], error="ENOSYS", options=""))
    assert len(program.said) == 1, program
    assert "memfd_create: Function not implemented" in program.said[0]
    assert "temporary file" in program.said[0]
