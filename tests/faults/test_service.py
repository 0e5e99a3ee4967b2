"""A service whose requests end their workers, or hang in C, again and again: nobody else notices."""

import asyncio
import itertools
import os
import statistics
import time

import pytest

from poolifier import FixedProcessPool, TaskTimeoutError, WorkerCrashedError
from poolifier.testing.faults import check_healthy
from tests.faults.service_requests import HARMS, handle

SECONDS = float(os.environ.get("SERVICE_SECONDS", "300"))
"""How long the long run lasts; as much again, up to a minute, is spent on the calm one it is compared with."""

RATE = 200

MOST = 3.0
"""How many times the p99 of a calm run the p99 of requests may be that have nothing to do with the harm."""


def kinds(count, one_in):
    """What the requests are: one in so many harms, and another one hangs; none where that is None."""
    harms = itertools.cycle(HARMS)
    for number in range(count):
        if one_in is not None and number % one_in == 0:
            yield next(harms)
        elif one_in is not None and number % one_in == one_in // 2:
            yield "hang"
        else:
            yield "work"


async def serve(pool, seconds, one_in=None):
    """Sends requests at an even rate. Returns what each was, how long it took, and its outcome."""
    begun = time.monotonic()

    async def request(number, kind):
        # At its own time, whether or not those before it have been answered.
        await asyncio.sleep(max(0.0, begun + number / RATE - time.monotonic()))
        asked = time.monotonic()
        try:
            # Of those that work a busy machine may make some wait for long, which is no concern here.
            outcome = await pool.execute(kind, timeout=0.2 if kind == "hang" else 60.0)
        except Exception as error:
            outcome = error
        return kind, time.monotonic() - asked, outcome

    return await asyncio.gather(*(request(*each) for each in enumerate(kinds(int(seconds * RATE), one_in))))


def check_outcomes(answers):
    expected = sum(range(20_000))
    for kind, _, outcome in answers:
        if kind == "work":
            assert outcome == expected, f"a harmless request: {outcome!r}"
        elif kind == "hang":
            assert isinstance(outcome, TaskTimeoutError), repr(outcome)
        else:
            assert isinstance(outcome, WorkerCrashedError), repr(outcome)


def p99(answers):
    return statistics.quantiles([seconds for kind, seconds, _ in answers if kind == "work"], n=100)[98]


async def run_service(seconds, one_in):
    calm_seconds = min(seconds, 60.0)
    async with FixedProcessPool(6, handle, abort_grace=0.1) as pool:
        calm = await serve(pool, calm_seconds)
        check_outcomes(calm)
        answers = await serve(pool, seconds, one_in)
        check_outcomes(answers)
        await check_healthy(pool)
        assert await pool.execute("work") == sum(range(20_000))
        info = pool.info
        assert info.submitted_tasks == info.executed_tasks + info.failed_tasks + info.aborted_tasks
    return calm, answers


@pytest.mark.usefixtures("no_leaks")
def test_requests_that_harm_their_worker_fail_alone(run):
    run(run_service(1.0, one_in=8))


@pytest.mark.long
@pytest.mark.usefixtures("no_leaks")
def test_five_minutes_of_them_cost_others_no_time(run):
    calm, answers = run(run_service(SECONDS, one_in=50), deadline=SECONDS + 180)
    assert p99(answers) <= MOST * p99(calm), f"p99 {p99(answers):.4f} s, calm {p99(calm):.4f} s"
    print(f"{len(answers)} requests, p99 {p99(answers) * 1e3:.1f} ms, in a calm run {p99(calm) * 1e3:.1f} ms")
