"""What the tests of the examples share: an example that serves, on a free port."""

import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def serving():
    """Runs an example that takes `--port`, until the end of the `with`; Ctrl+C has to end it in good order."""

    @contextmanager
    def serve(example, *arguments):
        with closing(socket.create_server(("127.0.0.1", 0))) as taken:
            port = taken.getsockname()[1]
        command = [sys.executable, "-W", "error", EXAMPLES / example, "--port", str(port), *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            _wait_for(port, process)
            yield port
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=300)
            assert "Traceback" not in said, said
            assert process.returncode in (0, -signal.SIGINT), said
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()

    return serve


def _wait_for(port, process):
    deadline = time.monotonic() + 120
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, "it does not listen"
            time.sleep(0.01)  # nothing tells when it listens
        else:
            return
