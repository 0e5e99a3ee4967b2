import pytest

from poolifier.scheduler.restarts import LONGEST_BACK_OFF, LONGEST_ONCE_READY, Restarts

ERROR = OSError("no room")


def fail(restarts, slot, now):
    """A start fails; returns whether the slot has failed with it, and the seconds until the next start."""
    restarts.count(slot, ERROR, now)
    failed = restarts.judge(slot)
    return failed, restarts.delay(slot, now)


def test_backs_off_exponentially_until_the_slot_has_failed_and_then_on():
    restarts = Restarts((5, 10.0))
    now = 0.0
    seen = []
    for _ in range(14):
        failed, delay = fail(restarts, 0, now)
        seen.append((failed, delay))
        now += delay
    delays = [0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0, 30.0]
    assert [delay for _, delay in seen] == pytest.approx(delays)
    assert [failed for failed, _ in seen] == [False] * 5 + [True] * 9


def test_has_failed_once_only_failed_starts_have_come_for_so_long():
    restarts = Restarts((1000, 10.0))
    assert fail(restarts, 0, 0.0) == (False, 0.0)
    assert fail(restarts, 0, 9.0) == (False, pytest.approx(0.05))
    assert fail(restarts, 0, 10.0)[0]


def test_the_last_start_before_that_is_not_put_off_beyond_it():
    restarts = Restarts((1000, 2.0))
    now = 0.0
    while not (outcome := fail(restarts, 0, now))[0]:
        now += outcome[1]
    assert now == 2.0


def test_without_a_limit_a_slot_never_fails_and_is_tried_every_thirty_seconds():
    restarts = Restarts(None)
    outcomes = [fail(restarts, 0, 100.0 * number) for number in range(2_000)]
    assert not any(failed for failed, _ in outcomes)
    assert outcomes[-1][1] == LONGEST_BACK_OFF
    assert not restarts.failed


def test_workers_that_had_got_ready_are_followed_by_others_soon():
    restarts = Restarts(None)
    for _ in range(20):
        restarts.count(0, ERROR, 0.0, was_ready=True)
    assert restarts.delay(0, 0.0) == LONGEST_ONCE_READY
    restarts.count(0, ERROR, 0.0)
    assert restarts.delay(0, 0.0) == LONGEST_BACK_OFF


def test_what_succeeds_ends_the_row():
    restarts = Restarts((1, 10.0))
    assert fail(restarts, 0, 0.0) == (False, 0.0)
    restarts.succeeded(0)
    assert restarts.delay(0, 1.0) == 0.0
    assert fail(restarts, 0, 1.0) == (False, 0.0)
    assert fail(restarts, 0, 2.0)[0]


def test_a_worker_that_is_ready_is_a_reason_to_wait_and_no_proof_yet():
    restarts = Restarts((1, 10.0))
    fail(restarts, 0, 0.0)
    fail(restarts, 0, 0.0)
    assert restarts.hopeless(frozenset({0}))
    restarts.ready(0)
    assert not restarts.hopeless(frozenset({0}))
    assert fail(restarts, 0, 1.0)[0]  # it died before it had begun anything
    restarts.ready(0)
    restarts.succeeded(0)
    assert fail(restarts, 0, 1.0) == (False, 0.0)


@pytest.mark.parametrize(("limit", "seconds"), [((5, 3.0), 3.0), (None, 10.0)])
def test_a_worker_that_was_ready_for_a_while_was_started_well(limit, seconds):
    restarts = Restarts(limit)
    assert not restarts.settled(seconds - 0.1)
    assert restarts.settled(seconds)


def test_slots_are_counted_apart():
    restarts = Restarts((1, 10.0))
    assert fail(restarts, 0, 0.0) == (False, 0.0)
    assert fail(restarts, 1, 0.0) == (False, 0.0)
    assert fail(restarts, 0, 1.0)[0]
    assert list(restarts.failed) == [0]
    assert restarts.hopeless(frozenset({0}))
    assert not restarts.hopeless(frozenset({0, 1}))
    assert not restarts.hopeless(None)


def test_a_limit_of_none_at_all():
    assert fail(Restarts((0, 10.0)), 0, 0.0) == (True, 0.0)


def test_the_delay_runs_out():
    restarts = Restarts((5, 10.0))
    assert restarts.delay(0, 0.0) == 0.0
    for now in (0.0, 0.0, 0.0):
        fail(restarts, 0, now)
    assert restarts.delay(0, 0.04) == pytest.approx(0.06)
    assert restarts.delay(0, 5.0) == 0.0


def test_forgets_everything_for_a_new_beginning():
    restarts = Restarts((0, 10.0))
    fail(restarts, 0, 0.0)
    restarts.forget()
    assert not restarts.failed
    assert fail(restarts, 1, 0.0) == (True, 0.0)
