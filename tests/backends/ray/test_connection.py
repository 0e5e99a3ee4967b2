"""The connection to the cluster: used where there is one, made and ended where not; and programs that die."""

import subprocess
import sys

OWN = """
import asyncio, logging
import ray
from poolifier import FixedRayPool

logging.getLogger("ray").setLevel(logging.ERROR)

async def main():
    first, second = FixedRayPool(1, len, ray_options={"address": "local", "num_cpus": 0}), FixedRayPool(1, len)
    await asyncio.gather(first.start(), second.start())
    print(ray.is_initialized(), await first.execute("ab"), await second.execute("abc"))
    await first.destroy()
    print(ray.is_initialized(), await second.execute("abcd"))
    await second.destroy()
    print(ray.is_initialized())

asyncio.run(main())
"""

DYING = """
import asyncio, os, signal, time
import ray
from poolifier import FixedRayPool

async def main():
    pool = FixedRayPool(2, time.sleep, ray_options={{"address": {address!r}}})
    await pool.start()
    pool.execute(3600)
    await asyncio.sleep(0.1)
    print(*(node.pid for node in pool.worker_nodes), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_pools_that_connect_disconnect_together():
    done = subprocess.run([sys.executable, "-c", OWN], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    assert done.stdout.splitlines() == ["True 2 3", "True 4", "False"]


def test_actors_end_with_their_program(ray, actors_left):
    script = DYING.format(address=ray.get_runtime_context().gcs_address)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False)
    assert len(done.stdout.split()) == 2, done.stderr[-5000:]
    assert actors_left() == []
