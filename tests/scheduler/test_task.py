from poolifier.scheduler.task import ABORTING, QUEUED, Task, TaskExtra
from tests.scheduler.support import function, node


def test_begins_in_no_place():
    task = Task(3, function("resize"), -5)
    assert (task.state, task.node, task.sequence, task.extra) == (QUEUED, None, 0, None)
    assert repr(task) == "<Task 3 'resize' queued at the lobby>"


def test_tells_where_it_is():
    task = Task(3, function("resize"), 0)
    task.node, task.state = node(3), ABORTING
    assert repr(task) == "<Task 3 'resize' aborting at worker 4>"


def test_what_few_tasks_have():
    extra = TaskExtra(2, 1.5)
    assert (extra.retries, extra.timeout, extra.history, extra.timed_out) == (2, 1.5, [], False)
    assert extra.started_at < 0.0
    assert TaskExtra().timeout is None
