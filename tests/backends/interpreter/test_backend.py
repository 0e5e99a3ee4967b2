"""What a backend of interpreters does by itself."""

import psutil
import pytest

from poolifier.backends.interpreter.backend import InterpreterBackend
from poolifier.exchange import WorkerSettings
from poolifier.worker.source import WorkerSource


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("poolifier.backends.interpreter.backend.create_ledger", OSError("no room")),
        ("poolifier.backends.interpreter.host.socket_pair", OSError("no room")),
        ("threading.Thread.start", RuntimeError("can't start new thread")),
    ],
)
def test_a_worker_that_cannot_be_made_leaves_nothing(run, monkeypatch, what, error):
    def refuse(*_):
        raise error

    async def main():
        backend = InterpreterBackend(WorkerSource.from_argument(len))
        await backend.start(None)
        before = psutil.Process().num_fds()
        with monkeypatch.context() as patched:
            patched.setattr(what, refuse)
            with pytest.raises(OSError, match=r"no room|can't start new thread"):
                backend.start_worker(1, 0, WorkerSettings())
        assert psutil.Process().num_fds() == before
        await backend.close()

    run(main())
