"""What becomes of a server's tasks when it is told to stop; the pool is in its lifespan, as in the page on FastAPI."""

import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest

APPLICATION = """
import time
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from poolifier import FixedProcessPool


def work(path):
    Path(path + ".begun").touch()
    time.sleep({seconds})
    Path(path).touch()
    return "done"


@asynccontextmanager
async def lifespan(app):
    async with FixedProcessPool(1, work, name="service", exit_timeout={exit_timeout}) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)
kept = []


@app.get("/leave")
async def leave(path: str):
    kept.append(app.state.pool.execute(path))


@app.get("/wait")
async def wait(path: str):
    return await app.state.pool.execute(path)
"""


@contextmanager
def served(tmp_path, *arguments, seconds, exit_timeout=None):
    (tmp_path / "shut_down.py").write_text(APPLICATION.format(seconds=seconds, exit_timeout=exit_timeout))
    address = tmp_path / "socket"
    command = [sys.executable, "-m", "uvicorn", "shut_down:app", "--uds", str(address), "--log-level", "warning"]
    server = subprocess.Popen([*command, *arguments], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    client = httpx.Client(transport=httpx.HTTPTransport(uds=str(address)), base_url="http://server", timeout=300)
    try:
        wait_for(address.exists)
        yield server, client
    finally:
        client.close()
        server.kill()
        server.wait()
        server.stderr.close()


def wait_for(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.once
def test_what_was_submitted_is_done_before_the_server_ends(tmp_path):
    done = tmp_path / "done"
    with served(tmp_path, seconds=2.5) as (server, client):
        client.get("/leave", params={"path": str(done)})
        wait_for((tmp_path / "done.begun").exists)
        server.send_signal(signal.SIGTERM)
        _, errors = server.communicate(timeout=300)
        assert done.exists()
        assert "cancelled" not in errors


@pytest.mark.once
def test_exit_timeout_bounds_that(tmp_path):
    with served(tmp_path, seconds=600, exit_timeout=0.2) as (server, client):
        client.get("/leave", params={"path": str(tmp_path / "never")})
        wait_for((tmp_path / "never.begun").exists)
        server.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        _, errors = server.communicate(timeout=300)
        assert time.monotonic() - begun < 240
        assert "pool 'service': its end cancelled 1 task" in errors


@pytest.mark.once
@pytest.mark.parametrize("patience", [None, 1])
def test_requests_that_run(tmp_path, patience):
    """uvicorn waits for their answers, or for so long as it was told, and cancels them: that aborts their tasks."""
    arguments = [] if patience is None else ["--timeout-graceful-shutdown", str(patience)]
    code = "import httpx, sys; c = httpx.Client(transport=httpx.HTTPTransport(uds=sys.argv[1]), timeout=300)\n"
    code += "print(c.get('http://server/wait', params={'path': sys.argv[2]}).text)"
    done = tmp_path / "done"
    with served(tmp_path, *arguments, seconds=3 if patience is None else 600) as (server, _):
        command = [sys.executable, "-c", code, str(tmp_path / "socket"), str(done)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as request:
            wait_for((tmp_path / "done.begun").exists)
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=300)
            answer, _ = request.communicate(timeout=300)
        assert ('"done"' in answer) is (patience is None)
        assert done.exists() is (patience is None)
