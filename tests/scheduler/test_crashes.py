import pytest

from poolifier.errors import WorkerCrashedError, WorkerStartError
from poolifier.exchange import WorkerExit
from poolifier.scheduler.crashes import how, start_failed, task_crashed, worker_crashed
from poolifier.scheduler.task import Task
from tests.scheduler.support import function


@pytest.mark.parametrize(
    ("exited", "words"),
    [
        (WorkerExit(signal="SIGSEGV"), "was killed by SIGSEGV"),
        (WorkerExit(exit_code=3), "exited with code 3"),
        (WorkerExit(exit_code=0), "exited with code 0"),
        (WorkerExit(), "ended in an unknown way"),
    ],
)
def test_how_it_ended(exited, words):
    assert how(exited) == words


def test_a_task_is_told_everything():
    task = Task(17, function("resize"), 0)
    error = task_crashed("images", 4, task, WorkerExit(signal="SIGKILL", stderr="no room", pid=321, out_of_memory=True))
    assert isinstance(error, WorkerCrashedError)
    assert str(error) == (
        "worker 4 was killed by SIGKILL (out of memory) while it ran task 17 ('resize') (pool 'images', pid 321)\n"
        "the last lines of its standard error:\nno room"
    )
    assert (error.task_id, error.task_name, error.worker_id) == (17, "resize", 4)
    assert (error.exit_code, error.signal, error.stderr) == (None, "SIGKILL", "no room")
    assert (error.pid, error.reason, error.pool_name) == (321, "out of memory", "images")


def test_a_worker_that_ran_nothing():
    error = worker_crashed("images", 4, WorkerExit(exit_code=9))
    assert str(error) == "worker 4 exited with code 9 (pool 'images')"
    assert (error.pid, error.reason) == (None, None)
    assert (error.task_id, error.exit_code) == (None, 9)


def test_a_worker_that_never_got_ready():
    error = start_failed("images", 4, WorkerExit(exit_code=1, stderr="no"))
    assert isinstance(error, WorkerStartError)
    assert "before it was ready" in str(error)
    own = ImportError("no module named numpy")
    assert start_failed("images", 4, WorkerExit(error=own)) is own
