"""Processes are named after their pool, in what `ps` and the like show."""

import os
import subprocess
from pathlib import Path

import psutil
import pytest

from poolifier import FixedProcessPool


def environment_as_the_kernel_has_it(_):
    seen = Path("/proc/self/environ").read_bytes().split(b"\0")
    return dict(line.split(b"=", 1) for line in seen if line) == dict(os.environb)


def shown(pid):
    comm = Path(f"/proc/{pid}/comm").read_text().rstrip("\n")
    listed = subprocess.run(["ps", "-o", "comm=", "-o", "args=", "-p", str(pid)], capture_output=True, check=True)
    assert listed.stdout.decode(errors="replace").startswith(comm)
    args = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()
    assert args[:60] in listed.stdout.decode(errors="replace") or not args.isascii()
    return comm, args


@pytest.mark.parametrize("start_method", ["fork_server", "spawn"])
def test_ps_shows_the_pool_and_the_worker(run, start_method):
    async def main():
        async with FixedProcessPool(
            1, environment_as_the_kernel_has_it, name="images", start_method=start_method
        ) as pool:
            [worker] = pool.worker_nodes
            assert shown(worker.pid) == (f"images:{worker.id}", f"poolifier: images worker {worker.id}")
            server = psutil.Process(worker.pid).ppid()
            assert shown(server) == ("images:server", "poolifier: images fork server")
            assert await pool.execute(), "the environment behind it is as it was"

    run(main())


@pytest.mark.parametrize("name", ["n" * 100_000, "größer als fünfzehn Bytes", "two\nlines\0"])
def test_what_does_not_fit_is_cut_and_what_cannot_be_shown_is_replaced(run, name):
    async def main():
        async with FixedProcessPool(1, environment_as_the_kernel_has_it, name=name) as pool:
            [worker] = pool.worker_nodes
            comm, args = shown(worker.pid)
            clean = name.replace("\n", "?").replace("\0", "?")
            beginning, _, number = comm.rpartition(":")
            assert number == str(worker.id), "it is the number that tells workers apart"
            assert beginning
            assert clean.startswith(beginning)
            assert f"poolifier: {clean} worker {worker.id}".startswith(args)
            assert len(args) >= 30
            assert await pool.execute()

    run(main())
