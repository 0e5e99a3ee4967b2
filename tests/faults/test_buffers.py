"""Workers that are killed while large values travel: all arrive right, and nothing leaks."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from poolifier import FixedProcessPool

MEBIBYTE = 1 << 20


def turned(value):
    return value[::-1] if isinstance(value, bytes) else value + 1


@pytest.mark.once
@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize("seed", [1, 2])
def test_workers_killed_at_random_lose_and_leak_nothing(run, until, seed):
    async def main():
        chance = random.Random(seed)
        # Workers that start slowly are killed before they have done anything.
        options = {"restart_limit": None, "preload": True}
        async with FixedProcessPool(2, turned, **options) as pool:
            data = [os.urandom(MEBIBYTE) for _ in range(4)]
            arrays = [np.random.default_rng(seed).random(MEBIBYTE // 8) for _ in range(4)]
            killed = 0

            async def kill():
                nonlocal killed
                while True:
                    await asyncio.sleep(chance.uniform(0.0, 0.1))
                    nodes = [node for node in pool.worker_nodes if node.ready and node.pid is not None]
                    if nodes:
                        # The pool may not have heard yet that the last one is dead.
                        with suppress(ProcessLookupError):
                            os.kill(chance.choice(nodes).pid, signal.SIGKILL)
                            killed += 1

            async def check(number):
                if number % 2:
                    value = data[number // 2 % 4]
                    assert await pool.execute(value, retries=1000) == value[::-1]
                else:
                    values = arrays[number // 2 % 4]
                    assert np.array_equal(await pool.execute(values, retries=1000), values + 1)

            await check(0)
            descriptors = psutil.Process().num_fds()
            killer = asyncio.ensure_future(kill())
            start = 0
            while start < 320 or killed <= 5:
                await asyncio.gather(*[check(start + number) for number in range(8)])
                start += 8
            killer.cancel()
            await until(lambda: sum(node.ready for node in pool.worker_nodes) == 2)
            await asyncio.gather(*[check(number) for number in range(8)])
            assert psutil.Process().num_fds() <= descriptors + 8

    run(main())


def test_a_parent_that_is_killed_leaves_nothing_in_shared_memory(tmp_path):
    before = set(Path("/dev/shm").iterdir())
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            """
            import asyncio
            from poolifier import FixedProcessPool, SharedBuffer

            def echo(value):
                return value

            async def main():
                async with FixedProcessPool(2, echo) as pool:
                    value, shared = b"x" * (8 << 20), SharedBuffer(8 << 20)
                    held = await pool.execute(bytearray(value))
                    print(*[node.pid for node in pool.worker_nodes], flush=True)
                    while True:
                        await asyncio.gather(pool.execute(value), pool.execute(shared), pool.execute([value]))

            asyncio.run(main())
            """
        )
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        assert len(workers) == 2
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        gone, alive = psutil.wait_procs(workers, timeout=120)
    assert not alive
    assert len(gone) == 2
    assert set(Path("/dev/shm").iterdir()) <= before
