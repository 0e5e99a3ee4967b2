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
    error = task_crashed(4, task, WorkerExit(signal="SIGKILL", stderr="out of memory"))
    assert isinstance(error, WorkerCrashedError)
    assert str(error) == (
        "worker 4 was killed by SIGKILL while it ran task 17 ('resize')\n"
        "the last lines of its standard error:\nout of memory"
    )
    assert (error.task_id, error.task_name, error.worker_id) == (17, "resize", 4)
    assert (error.exit_code, error.signal, error.stderr) == (None, "SIGKILL", "out of memory")


def test_a_worker_that_ran_nothing():
    error = worker_crashed(4, WorkerExit(exit_code=9))
    assert str(error) == "worker 4 exited with code 9"
    assert (error.task_id, error.exit_code) == (None, 9)


def test_a_worker_that_never_got_ready():
    error = start_failed(4, WorkerExit(exit_code=1, stderr="no"))
    assert isinstance(error, WorkerStartError)
    assert "before it was ready" in str(error)
    own = ImportError("no module named numpy")
    assert start_failed(4, WorkerExit(error=own)) is own
