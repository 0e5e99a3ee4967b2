"""The stop button of a notebook does what the page says: it sends a real kernel the interrupt that Jupyter sends."""

import time
from queue import Empty

import pytest
from jupyter_client.manager import start_new_kernel

START = """
import time
from poolifier import FixedProcessPool

pool = FixedProcessPool(2, time.sleep)
await pool.start()
"""

OWN = """
async with FixedProcessPool(1, time.sleep) as own:
    print("it runs", flush=True)
    await own.map_execute([0.01] * 100_000)
"""


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    manager, client = start_new_kernel(startup_timeout=300, cwd=str(tmp_path))
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def run(kernel, code, *, stop=False):
    """What a cell printed, and the name of the error that it ended with. `stop` presses the button once it prints."""
    manager, client = kernel
    cell = client.execute(code)
    printed, error, deadline = "", None, time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            message = client.get_iopub_msg(timeout=1)
        except Empty:
            continue
        if message["parent_header"].get("msg_id") != cell:
            continue
        content = message["content"]
        if message["msg_type"] == "stream":
            printed += content["text"]
            if stop:
                manager.interrupt_kernel()
                stop = False
        elif message["msg_type"] == "error":
            error = content["ename"]
        elif message["msg_type"] == "status" and content["execution_state"] == "idle":
            return printed, error
    raise AssertionError(f"the cell does not end: {code}")


def test_the_stop_button(kernel):
    """With tasks that come back now and then: ipykernel hears of the interrupt with the next event of its loop."""
    assert run(kernel, START) == ("", None)
    stopped = run(kernel, "print('it runs', flush=True)\nawait pool.map_execute([0.01] * 100_000)", stop=True)
    assert stopped == ("it runs\n", "CancelledError")

    # The workers are free.
    assert run(kernel, "print(await pool.execute(0), pool.info.executing_tasks)") == ("None 0\n", None)
    assert run(kernel, OWN, stop=True) == ("it runs\n", "CancelledError")
    assert run(kernel, "print(own)\nawait pool.destroy()") == ("<FixedProcessPool 'process-2' 1 destroyed>\n", None)
