from poolifier.scheduler.strategies.ring import Ring
from tests.scheduler.support import candidate


def ring(*slots):
    made = Ring()
    for slot in slots:
        made.add(candidate(slot))
    return made


def test_is_in_the_order_of_the_slots():
    assert [worker.slot for worker in ring(3, 1, 2).workers] == [1, 2, 3]


def test_tells_when_a_round_is_over():
    going = ring(0, 1)
    assert going.current().slot == 0
    assert going.advance() is False
    assert going.current().slot == 1
    assert going.advance() is True
    assert going.current().slot == 0


def test_stays_at_its_worker_as_others_come_and_go():
    going = ring(1, 3)
    going.current()
    going.advance()
    going.add(candidate(0))
    going.add(candidate(2))
    assert going.current().slot == 3
    going.remove(going.workers[0])
    assert going.current().slot == 3


def test_moves_on_to_the_successor_of_the_one_that_leaves():
    going = ring(0, 1, 2)
    going.current()
    going.advance()
    going.remove(going.current())
    assert going.current().slot == 2
    going.remove(going.current())
    assert going.current().slot == 0
    going.remove(going.current())
    assert going.current() is None
