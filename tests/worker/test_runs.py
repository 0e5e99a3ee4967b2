"""The tiny items of a map: whatever happens around one of them, each is answered once, and in order."""

import marshal
import math
import socket
import time

import pytest

from poolifier.backends.unsent_replies import replies_left
from poolifier.errors import TaskAborted
from poolifier.exchange import ABORTED, DONE, FAILED, MAP_FAILED, MAPPED, MAPPED_RUN, RETURNED
from poolifier.wire import codec, messages
from poolifier.wire.remote_errors import decode_error
from poolifier.wire.rows import UNWRITTEN
from poolifier.worker import invoke, runs
from poolifier.worker.chunks import run_chunk
from poolifier.worker.current_task import current_task, use_session
from poolifier.worker.ledger import ABORT, GENERATION, STARTED


def run(pool, items, sequence=1):
    task = (sequence, "default", None, 5000 + sequence, None, None, marshal.dumps(items, 2))
    run_chunk(pool.session, task, pool.session.registry.entries["default"], runs.perf_counter())
    pool.session.flush()
    return pool.replies()


def answers(replies):
    """Each answer as `(status, value)`, those of runs one by one."""
    found = []
    for reply in replies:
        if reply[1] == MAPPED_RUN:
            values, counts, means = reply[2]
            assert sum(counts) == len(values)
            assert reply[3] == pytest.approx(sum(count * mean for count, mean in zip(counts, means, strict=True)))
            found += [(MAPPED, value) for value in values]
        else:
            found.append(
                (reply[1], codec.decode(reply[4]) if len(reply) > 4 and reply[1] in (DONE, MAPPED) else reply[2])
            )
    return found


def double(n):
    return n * 2


def test_many_items_are_answered_in_one(make_pool, monkeypatch):
    # Where the machine does something else meanwhile, they are not held back for that long.
    monkeypatch.setattr(runs, "HOLD_RUN", 60.0)
    pool = make_pool(double)
    replies = run(pool, list(range(500)))
    assert [reply[1] for reply in replies] == [MAPPED_RUN, DONE]
    assert answers(replies) == [(MAPPED, n * 2) for n in range(499)] + [(DONE, 998)]
    assert pool.ledger.slots[STARTED] == 1


@pytest.fixture
def wait(monkeypatch):
    """A task that takes so many seconds and a microsecond, by a clock that goes on only then."""

    class Clock:
        now = time.perf_counter()

    def take(seconds):
        Clock.now += seconds + 1e-6

    for module in (invoke, runs):
        monkeypatch.setattr(module, "perf_counter", lambda: Clock.now)
    return take


def test_slow_items_are_timed_one_by_one(make_pool, wait):
    replies = run(make_pool(wait), [0.0003] * 10)
    groups = [reply[2][1:] for reply in replies if reply[1] == MAPPED_RUN]
    assert [count for counts, _ in groups for count in counts] == [1] * 9
    assert [mean for _, means in groups for mean in means] == [pytest.approx(0.000301)] * 9


def test_one_slow_item_among_many_is_told_from_them(make_pool, wait):
    replies = run(make_pool(wait), [0.0] * 400 + [0.02] + [0.0] * 50)
    groups = [
        group for reply in replies if reply[1] == MAPPED_RUN for group in zip(reply[2][1], reply[2][2], strict=True)
    ]
    assert max(counts for counts, _ in groups) > 1
    [longest] = [group for group in groups if group[1] > 0.015]
    assert longest == (1, pytest.approx(0.02, rel=0.01))


def test_an_error_is_that_of_its_item(make_pool):
    replies = run(make_pool(lambda n: 100 // (n % 10)), list(range(1, 25)))
    kinds = [status for status, _ in answers(replies)]
    assert kinds == [MAP_FAILED if n in (10, 20) else MAPPED for n in range(1, 24)] + [DONE]
    errors = [decode_error(reply[4]) for reply in replies if reply[1] == MAP_FAILED]
    assert [type(error) for error in errors] == [ZeroDivisionError] * 2


def test_the_last_may_fail(make_pool):
    assert [status for status, _ in answers(run(make_pool(lambda n: 1 // n), [1, 1, 0]))] == [MAPPED, MAPPED, FAILED]


@pytest.mark.parametrize(
    "results",
    [
        [[[1]]] * 5,
        [1, 2, {"a": {"b": 1}}, 3, 4],
        ["x" * 5000] * 30,
        ["x" * codec.LARGE, b"x" * 200_000, 1, "x" * 40_000, 2, 3],
        [{"i": n, "name": "x" * n} for n in range(300)],
        [{"i": bytearray(b"x")}, {"i": b"x"}, (1, b"y"), {b"k": 1}, {1, 2}],
        [2**100_000, 1, 2],
    ],
    ids=["nested", "mixed", "long", "large", "records", "buffers", "huge"],
)
def test_any_result_comes_back_as_it_is(make_pool, results):
    pool = make_pool(lambda n: results[n])
    pool.theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    found = answers(run(pool, list(range(len(results)))))
    assert [value for _, value in found] == results
    assert [type(value) for _, value in found] == [type(result) for result in results]
    assert [status for status, _ in found] == [MAPPED] * (len(results) - 1) + [DONE]


def test_none_may_be_left_out_as_ever(make_pool):
    assert [value for _, value in answers(run(make_pool(lambda: 7), [None] * 4))] == [7] * 4


def test_a_poke_in_an_item_sends_what_is_done(make_pool):
    seen = []

    def task(n):
        if n == 100:
            pool.poke()
            seen.extend(pool.replies())
        return n

    pool = make_pool(task)
    rest = run(pool, list(range(200)))
    assert answers(seen) == [(MAPPED, n) for n in range(100)]
    assert answers(rest) == [(MAPPED, n) for n in range(100, 199)] + [(DONE, 199)]


def test_what_is_wanted_back_goes_back(make_pool):
    def task(n):
        if n == 100:
            pool.say(messages.RECLAIM)
            pool.poke()
        return n

    pool = make_pool(task)
    assert answers(run(pool, list(range(200)))) == [(MAPPED, n) for n in range(101)] + [(RETURNED, None)]


@pytest.mark.parametrize("obeys", [True, False])
def test_an_abort_stops_it(make_pool, obeys):
    def task(n):
        if n == 100:
            pool.ledger.slots[ABORT] = 1
            try:
                pool.poke()
            except TaskAborted:
                if obeys:
                    raise
        return n

    pool = make_pool(task)
    assert answers(run(pool, list(range(200)))) == [(MAPPED, n) for n in range(100)] + [(ABORTED, None)]


def test_a_poke_between_items_is_served_in_the_next(make_pool):
    pool = make_pool(double)
    pool.poke()
    pool.say(messages.ABORT, 1)
    assert answers(run(pool, [1, 2, 3])) == [(ABORTED, None)]


def test_a_message_comes_after_the_results_before_it(make_pool):
    def task(n):
        if n == 50:
            pool.session.say(b"pickle")
        return n

    pool = make_pool(task)
    pool.session.flush()
    run_chunk(
        pool.session,
        (1, "default", None, 1, None, None, marshal.dumps(list(range(60)), 2)),
        pool.session.registry.entries["default"],
        time.perf_counter(),
    )
    frames = pool.decoder.feed(memoryview(pool.sock.recv(1 << 16)))
    # Of results there may be several, where the machine did something else meanwhile.
    at = next(at for at, frame in enumerate(frames) if frame[0] != messages.REPLIES_TAG)
    before = [reply for frame in frames[:at] for reply in messages.read_replies(frame)[4]]
    assert answers(before) == [(MAPPED, n) for n in range(50)]
    assert messages.read(frames[at]) == (messages.MESSAGE, b"pickle")


def test_items_know_their_task(make_pool):
    pool = make_pool(lambda n: (n, current_task().id, current_task().name))
    use_session(pool.session)
    assert [value for _, value in answers(run(pool, [1, 2, 3], sequence=4))] == [
        (n, 5004, "default") for n in (1, 2, 3)
    ]


RESULTS = {
    "numbers": lambda n: n,
    "fractions": lambda n: n / 7,
    "records": lambda n: {"n": n},
    "records of several": lambda n: {"n": -n, "half": n / 2, "twice": 2 * n},
    "texts": lambda n: "x" * (n % 50),
    "flat": lambda n: {"n": n, "name": str(n)},
    "nested": lambda n: [[n]],
    "now this, now that": lambda n: [n, n / 2, {"n": n}, None, {"n": n / 2}, 2**70, True][n % 7],
    "at last another": lambda n: n if n < 80 else None,
    "no numbers": lambda n: math.nan if n == 50 else n / 2,
    "what looks unwritten": lambda n: UNWRITTEN if n == 50 else n,
    "more bits": lambda n: {"n": 2**63 - 50 + n},
    "other keys": lambda n: {"n" if n < 50 else "m": n},
    "other order": lambda n: {"n": n, "m": 1} if n % 20 else {"m": 1, "n": n},
    "long keys": lambda n: {"n" * 1100: n},
}


@pytest.mark.parametrize("function", RESULTS.values(), ids=RESULTS)
@pytest.mark.parametrize("count", [100, 2500])
def test_a_result_outlives_the_worker_before_the_next_item_begins(make_pool, function, count):
    def standing():
        sent.extend(value for _, value in answers(pool.replies()))
        left = replies_left(pool.ledger, pool.ledger.slots[GENERATION] - 1)
        return sent + [value for _, value in answers(left)]

    def task(n):
        if count == 100 or n % 97 == 0:
            # What is not a number is not even equal to itself.
            assert repr(standing()) == repr(expected[:n])
            looked.append(n)
        return function(n)

    sent, looked = [], []
    expected = [function(n) for n in range(count)]
    pool = make_pool(task)
    pool.theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    last = run(pool, list(range(count)))
    assert repr(sent + [value for _, value in answers(last)]) == repr(expected)
    assert looked[-1] >= count - 97


def test_numbers_take_eight_bytes_each(make_pool, monkeypatch):
    monkeypatch.setattr(runs, "HOLD_RUN", 60.0)
    pool = make_pool(lambda n: {"a long name of a number": n})
    run(pool, list(range(1000)))
    assert pool.bytes_read < 1000 * 8 + 5000
