from poolifier.errors import TaskAborted
from poolifier.exchange import ABORTED, DONE, FAILED, RETURNED
from poolifier.wire import messages
from poolifier.worker import current_task as module
from poolifier.worker.current_task import current_task
from poolifier.worker.invoke import run_plain
from poolifier.worker.ledger import ABORT, STARTED
from poolifier.worker.runtime import run_blocking
from poolifier.worker.session import Session


def run(pool, sequence, name="default", data=None):
    task = (sequence, name, data, 5000 + sequence)
    entry = pool.session.registry.entries[name]
    run_plain(pool.session, task, entry, 0.0)


def test_a_task_is_marked_before_it_runs(make_pool):
    pool = make_pool(lambda: pool.ledger.slots[STARTED])
    run(pool, 7)
    pool.session.flush()
    assert [reply[:3] for reply in pool.replies()] == [(7, DONE, 7)]


def test_an_abort_is_raised_in_the_task_it_names_once(make_pool):
    raised = []

    def task(_):
        pool.ledger.slots[ABORT] = 1
        for _ in range(3):
            try:
                pool.poke()
            except TaskAborted:
                raised.append(pool.session.current)

    pool = make_pool(task)
    run(pool, 1)
    run(pool, 2)
    pool.session.flush()
    assert raised == [1]
    # It makes no difference that the function went on.
    assert [reply[1] for reply in pool.replies()] == [ABORTED, DONE]


def test_an_abort_of_another_task_is_not_raised(make_pool):
    def task():
        pool.ledger.slots[ABORT] = 1
        pool.say(messages.ABORT, 1)
        pool.poke()
        return "unharmed"

    pool = make_pool(task)
    run(pool, 2)
    pool.session.flush()
    assert [reply[:3] for reply in pool.replies()] == [(2, DONE, "unharmed")]


def test_a_poke_between_tasks_is_served_in_the_next(make_pool):
    pool = make_pool(lambda: "never")
    pool.poke()
    assert pool.session.poked
    pool.say(messages.ABORT, 3)
    run(pool, 3)
    pool.session.flush()
    assert [reply[:3] for reply in pool.replies()] == [(3, ABORTED, None)]


def test_reclaim_in_the_middle_of_a_task(make_pool):
    def task():
        pool.say(messages.TASKS, [(2, "default", None, 5002), (3, "default", None, 5003)])
        pool.say(messages.ABORT, 2)
        pool.say(messages.RECLAIM)
        pool.poke()
        assert [reply[:2] for reply in pool.replies()] == [(2, ABORTED), (3, RETURNED)]

    pool = make_pool(task)
    run(pool, 1)
    pool.session.flush()
    assert [reply[1] for reply in pool.replies()] == [DONE]


def test_a_poke_while_another_is_served_is_not_lost(make_pool, monkeypatch):
    pool = make_pool(lambda: pool.poke())
    served = []
    dispatch = Session.dispatch

    def again(session, received):
        served.append(len(received))
        if len(served) == 1:
            pool.poke()
        dispatch(session, received)

    monkeypatch.setattr(Session, "dispatch", again)
    run(pool, 1)
    assert len(served) == 2


def test_the_loop_runs_until_it_is_stopped(make_pool):
    pool = make_pool({"double": lambda x: 2 * x})
    pool.say(messages.TASKS, [(1, "double", 4, 5001), (2, "nope", 1, 5002), (3, "double", None, 5003)])
    pool.say(messages.STOP)
    run_blocking(pool.session)
    assert [reply[:2] for reply in pool.replies()] == [(1, DONE), (2, FAILED), (3, FAILED)]
    assert pool.ledger.slots[STARTED] == 3
    assert pool.session.registry.entries["double"].mean < 1


def test_current_task(make_pool):
    pool = make_pool({"a": lambda: current_task()})
    assert current_task() is None
    module.use_session(pool.session)
    found = []
    pool.session.registry.entries["a"].function = lambda: found.append(current_task())
    run(pool, 5, "a")
    assert [(task.id, task.name, task.abort_requested) for task in found] == [(5005, "a", False)]
    assert current_task() is None


def test_an_abort_in_an_import_waits_and_the_next_code_of_the_task_is_told(make_pool, monkeypatch):
    monkeypatch.setattr("poolifier.worker.due_abort.importing", lambda _: not over)
    looks = []
    monkeypatch.setattr("poolifier.worker.due_abort.look_until", lambda look: looks.append(look) or True)
    over, raised = [], []

    def task(_):
        pool.ledger.slots[ABORT] = 1
        for _ in range(3):
            pool.poke()
        (look,) = looks
        assert look() is False
        over.append(True)
        try:
            pool.poke()
        except TaskAborted:
            raised.append(pool.session.current)
        assert look() is True

    pool = make_pool(task)
    run(pool, 1)
    pool.session.flush()
    assert raised == [1]
    assert [reply[1] for reply in pool.replies()] == [ABORTED]


def test_an_abort_that_was_held_back_to_the_end_leaves_the_next_task_alone(make_pool, monkeypatch):
    monkeypatch.setattr("poolifier.worker.due_abort.importing", lambda _: True)
    looks = []
    monkeypatch.setattr("poolifier.worker.due_abort.look_until", lambda look: looks.append(look) or True)

    def task():
        pool.ledger.slots[ABORT] = 1
        pool.poke()

    pool = make_pool(task)
    run(pool, 1)
    assert looks[0]()
    run(pool, 2)
    pool.session.flush()
    assert [reply[1] for reply in pool.replies()] == [DONE, DONE]
