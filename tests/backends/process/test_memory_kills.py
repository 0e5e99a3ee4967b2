"""A worker that the kernel killed for want of memory is told from one that somebody killed."""

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from poolifier import FixedProcessPool, WorkerCrashedError
from poolifier.backends.process import channel
from poolifier.backends.process.memory_kills import MemoryKills


class Machine:
    """What the kernel shows of one process and its control group."""

    def __init__(self, path, version, root="/"):
        self.proc = path / "proc"
        self.version = version
        mount = path / "cgroup"
        group = mount / ("app.slice" if root == "/" else "")
        group.mkdir(parents=True)
        (self.proc / "self").mkdir(parents=True)
        kind, name = ("cgroup2", "memory.events") if version == 2 else ("cgroup", "memory.oom_control")
        self._counter = group / name
        other = f"30 1 0:1 / {path}/other rw - cgroup cgroup rw,cpu\n"
        (self.proc / "self" / "mountinfo").write_text(
            f"{other}31 1 0:2 {root} {mount} rw shared:7 - {kind} {kind} rw,memory\n"
        )
        self.killed(0)

    def killed(self, count):
        self._counter.write_text(f"low 0\noom {count}\noom_kill {count}\n")

    def groups(self, path="/app.slice"):
        return f"2:cpu,cpuacct:/other\n0::{path}\n" if self.version == 2 else f"4:memory:{path}\n2:cpu:/other\n0::/\n"


@pytest.mark.parametrize("version", [1, 2])
def test_each_kill_explains_one_end(tmp_path, version):
    machine = Machine(tmp_path, version)
    kills = MemoryKills(str(machine.proc))
    early = kills.before(machine.groups())
    assert not kills.explain(early, "")
    machine.killed(2)
    late = kills.before(machine.groups())
    assert not kills.explain(late, ""), "they were before it started"
    assert [kills.explain(early, "") for _ in range(3)] == [True, True, False]
    machine.killed(3)
    assert kills.explain(late, "")
    assert not kills.explain(early, "")


def test_in_a_container_that_sees_a_part_of_the_tree(tmp_path):
    machine = Machine(tmp_path, 1, root="/docker/1f")
    kills = MemoryKills(str(machine.proc))
    before = kills.before(machine.groups("/docker/1f"))
    machine.killed(1)
    assert kills.explain(before, "")


def test_one_that_was_moved_after_its_start(tmp_path):
    machine = Machine(tmp_path, 2)
    vmstat = machine.proc / "vmstat"
    vmstat.write_text("nr_free_pages 7\noom_kill 4\n")
    kills = MemoryKills(str(machine.proc))
    before = kills.before("0::/elsewhere\n")
    machine.killed(3)
    assert not kills.explain(before, machine.groups()), "none of those was since"
    vmstat.write_text("nr_free_pages 7\noom_kill 5\n")
    assert kills.explain(before, machine.groups())


@pytest.mark.parametrize("groups", ["", "0::/gone\n", "nonsense", "0::/\n"])
def test_without_a_counter_nothing_is_said(tmp_path, groups):
    machine = Machine(tmp_path, 2)
    kills = MemoryKills(str(machine.proc))
    before = kills.before(groups)
    machine.killed(1)
    assert not kills.explain(before, "")
    assert not MemoryKills(str(tmp_path / "nowhere")).explain(before, "")


@pytest.mark.parametrize("counted", [True, False])
def test_a_crash_says_why(run, tmp_path, monkeypatch, counted):
    machine = Machine(tmp_path, 2)
    kills = MemoryKills(str(machine.proc))
    monkeypatch.setattr(kills, "groups", lambda _: machine.groups())
    monkeypatch.setattr(channel, "memory_kills", kills)

    async def main():
        async with FixedProcessPool(1, {"die": signal.raise_signal, "getpid": lambda _: os.getpid()}) as pool:
            pid = await pool.execute(None, "getpid")
            if counted:
                machine.killed(1)
            with pytest.raises(WorkerCrashedError) as caught:
                await pool.execute(signal.SIGKILL, "die")
        error = caught.value
        assert (error.pid, error.signal) == (pid, "SIGKILL")
        assert error.reason == ("out of memory" if counted else None)
        assert ("(out of memory)" in str(error)) is counted
        assert f"(pool {pool.info.name!r}, pid {pid})" in str(error)

    run(main())


REAL = """
import asyncio, sys
from poolifier import FixedProcessPool, WorkerCrashedError

def devour(_):
    kept = []
    while True:
        kept.append(b"x" * (16 << 20))

async def main():
    async with FixedProcessPool(1, {"devour": devour, "len": len}) as pool:
        try:
            await pool.execute(None, "devour")
        except WorkerCrashedError as error:
            print(error.signal, error.reason, error.pid == error.pid and error.pid is not None)
        print(await pool.execute("alive", "len"))

asyncio.run(main())
"""


@pytest.fixture
def group():
    """A control group with little memory, or none where this may not be."""
    own = Path("/proc/self/cgroup").read_text()
    made = None
    for line in own.splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            base, limit = Path("/sys/fs/cgroup/memory") / path.strip("/"), "memory.limit_in_bytes"
        elif number == "0" and not controllers and Path("/sys/fs/cgroup/cgroup.controllers").exists():
            base, limit = Path("/sys/fs/cgroup") / path.strip("/"), "memory.max"
        else:
            continue
        made = base / f"poolifier-{uuid.uuid4().hex}"
        try:
            made.mkdir()
        except OSError:
            continue
        try:
            (made / limit).write_text(str(256 << 20))
        except OSError:
            made.rmdir()
            continue
        break
    else:
        pytest.skip("no control group with a limit of memory can be made here")
    yield made
    made.rmdir()


def test_with_the_kernel_itself(group):
    start = f'echo $$ > "{group}/cgroup.procs" && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", start, "sh", sys.executable, "-c", REAL], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout.split("\n")[:2] == ["SIGKILL out of memory True", "5"], done.stderr
