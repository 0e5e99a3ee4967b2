"""What processes of `multiprocessing` inherit, workers inherit: locks, queues, values, connections in `initargs`."""

import asyncio
import gc
import multiprocessing
import os
import signal
import socket
import threading

import pytest

from poolifier import FixedInterpreterPool, FixedProcessPool, UnsupportedError, WorkerCrashedError
from poolifier.errors import SerializationError, TaskTimeoutError
from poolifier.futures import ProcessPoolExecutor
from tests.pool import shared_things as things
from tests.pool.test_multiprocessing import FUNCTIONS, WAYS

METHODS = ["fork", "spawn", "forkserver"]

pytestmark = pytest.mark.usefixtures("collected")


@pytest.fixture
def tidy():
    gc.collect()


@pytest.fixture
def collected(lasting, tidy, no_leaks):
    """Neither finds nor leaves what the garbage collector would take along only later."""
    yield
    gc.collect()


@pytest.fixture(params=METHODS)
def context(request):
    return multiprocessing.get_context(request.param)


@pytest.fixture(params=[pytest.param(way.values, id=way.id, marks=way.marks) for way in WAYS])
def pool_of(request):
    """A pool whose workers have inherited something."""
    pool_type, options = request.param

    def make(size, *inherited, **more):
        return pool_type(size, FUNCTIONS, initializer=things.keep, initargs=inherited, **options, **more)

    return make


@pytest.mark.parametrize("kind", ["Lock", "RLock", "Semaphore", "BoundedSemaphore"])
def test_locks_exclude_each_other_in_all_workers(run, context, pool_of, kind):
    lock = getattr(context, kind)()
    value = context.RawValue("i", 0)

    async def main():
        async with pool_of(2, lock, value) as pool:
            tasks = [pool.execute(50, "add_to_kept") for _ in range(6)]
            for _ in range(50):
                # In between the program takes part.
                if lock.acquire(timeout=120):
                    value.value += 1
                    lock.release()
                await asyncio.sleep(0)
            await asyncio.gather(*tasks)

    run(main())
    assert value.value == 350


def test_values_and_arrays_are_shared_with_their_locks(run, context, pool_of):
    value = context.Value("i", 0)

    async def main():
        async with pool_of(2, value) as pool:
            await asyncio.gather(*(pool.execute(50, "add_to_value") for _ in range(4)))

    run(main())
    assert value.value == 200


def test_rlocks_belong_to_the_thread_that_has_them(run, context, pool_of):
    lock = context.RLock()

    async def main():
        async with pool_of(1, lock) as pool:
            assert await pool.execute(name="use_rlock") == "not owned"
            lock.acquire()
            assert not await pool.execute(name="try_kept")
            lock.release()
            assert await pool.execute(name="try_kept")
            await pool.execute(name="release_kept")
            assert lock.acquire(timeout=120)
            lock.release()

    run(main())


def test_a_semaphore_released_too_often_says_so(run, context, pool_of):
    semaphore = context.BoundedSemaphore(1)

    async def main():
        async with pool_of(1, semaphore) as pool:
            assert await pool.execute(name="try_kept")
            await pool.execute(name="release_kept")
            with pytest.raises(ValueError, match="released too many times"):
                await pool.execute(name="release_kept")

    run(main())


@pytest.mark.parametrize("kind", ["Queue", "JoinableQueue", "SimpleQueue"])
def test_queues_go_both_ways(run, request, context, pool_of, kind):
    inbox = getattr(context, kind)()
    # What is put into others is sent by a daemon thread, which interpreters cannot have.
    outbox = context.SimpleQueue() if "interpreter" in request.node.callspec.id else getattr(context, kind)()

    async def main():
        async with pool_of(1, inbox, outbox) as pool:
            inbox.put(1)
            await pool.execute(2, "exchange")
            assert await asyncio.to_thread(outbox.get) == 3

    run(main())
    for queue in (inbox, outbox):
        queue.close()
        if hasattr(queue, "join_thread"):
            queue.join_thread()


def test_connections_are_passed(run, context, pool_of):
    ours, theirs = context.Pipe()

    async def main():
        async with pool_of(1, theirs) as pool:
            ours.send(1)
            await pool.execute(2, "exchange_by_pipe")
            assert ours.recv() == 3

    run(main())
    ours.close()
    theirs.close()


@pytest.mark.parametrize(("kind", "function"), [("Event", "wait_for_event"), ("Condition", "wait_for_condition")])
def test_what_is_waited_for_wakes_the_workers(run, context, pool_of, kind, function):
    ready = context.Semaphore(0)
    awaited = getattr(context, kind)()

    async def main():
        async with pool_of(2, ready, awaited) as pool:
            tasks = [pool.execute(name=function) for _ in range(2)]
            for _ in tasks:
                assert await asyncio.to_thread(ready.acquire, True, 20)
            # It blocks the event loop until the workers have answered.
            if kind == "Event":
                awaited.set()
            else:
                with awaited:
                    awaited.notify_all()
            assert await asyncio.gather(*tasks) == [True, True]

    run(main())


def test_a_barrier_holds_workers_and_program(run, context, pool_of):
    barrier = context.Barrier(3)

    async def main():
        async with pool_of(2, barrier) as pool:
            tasks = [pool.execute(name="wait_at_barrier") for _ in range(2)]
            last = await asyncio.to_thread(barrier.wait, 20)
            assert sorted([last, *await asyncio.gather(*tasks)]) == [0, 1, 2]

    run(main())


def test_workers_that_start_later_inherit_as_well(run, context):
    lock, value = context.Lock(), context.RawValue("i", 0)

    async def main():
        options = {"initializer": things.keep, "initargs": (lock, value), "preload": True}
        async with FixedProcessPool(1, FUNCTIONS, **options) as pool:
            for _ in range(3):
                await pool.execute(10, "add_to_kept")
                with pytest.raises(WorkerCrashedError):
                    await pool.execute(name="die")

    run(main())
    assert value.value == 30


def test_threads_and_children_of_a_worker_use_them_at_once(run, context):
    lock, value = context.Lock(), context.RawValue("i", 0)

    async def main():
        async with FixedProcessPool(2, FUNCTIONS, initializer=things.keep, initargs=(lock, value)) as pool:
            await asyncio.gather(pool.execute(30, "use_lock_in_threads"), pool.execute(name="use_lock_in_children"))

    run(main())
    assert value.value == 4 * 30 + 3 * 50


def test_an_abort_while_a_lock_is_waited_for_leaves_it_to_others(run, context):
    lock = context.Lock()

    async def main():
        async with FixedProcessPool(1, FUNCTIONS, initializer=things.keep, initargs=(lock,), abort_grace=60) as pool:
            with lock:
                with pytest.raises(TaskTimeoutError):
                    await pool.execute(name="hold_kept", timeout=0.2)
                await pool.execute(name="who")  # by now it has stopped
            assert await asyncio.to_thread(lock.acquire, True, 120), "nobody has it"
            lock.release()
            assert await pool.execute(name="try_kept"), "the worker lives, and can have it"
            await pool.execute(name="release_kept")

    run(main())


def test_a_worker_that_is_killed_while_it_waits_does_not_get_the_lock(run, context):
    ready, lock = context.Semaphore(0), context.Lock()

    async def main():
        async with FixedProcessPool(1, FUNCTIONS, initializer=things.keep, initargs=(ready, lock)) as pool:
            with lock:
                task = pool.execute(name="announce_and_hold")
                assert await asyncio.to_thread(ready.acquire, True, 20)
                os.kill(pool.worker_nodes[0].pid, signal.SIGKILL)
                with pytest.raises(WorkerCrashedError):
                    await task
            assert await asyncio.to_thread(lock.acquire, True, 120)
            lock.release()

    run(main())


def test_many_descriptors_reach_every_worker(run):
    pairs = [socket.socketpair() for _ in range(150)]

    async def main():
        initargs = tuple(theirs for _, theirs in pairs)
        async with FixedProcessPool(2, FUNCTIONS, initializer=things.keep, initargs=initargs) as pool:
            await pool.map_execute([None] * 4, "who")

    run(main())
    for pair in pairs:
        for each in pair:
            each.close()


def test_a_closure_brings_them_too(run):
    lock, value = multiprocessing.Lock(), multiprocessing.RawValue("i", 0)

    def add(count):
        for _ in range(count):
            with lock:
                value.value += 1

    async def main():
        async with FixedProcessPool(2, add) as pool:
            await asyncio.gather(*(pool.execute(50) for _ in range(4)))

    run(main())
    assert value.value == 200


@pytest.mark.parametrize(("pool_type", "options"), WAYS)
def test_connections_and_sockets_are_data_too(run, pool_type, options):
    async def main():
        async with pool_type(1, FUNCTIONS, **options) as pool:
            ours, theirs = multiprocessing.Pipe()
            await pool.execute({"through": [theirs]}, "greet")
            assert ours.recv() == "hello"
            here, there = socket.socketpair()
            await pool.execute({"through": [there]}, "greet")
            assert here.recv(5) == b"hello"
            assert await pool.execute(name="who"), "nothing was written where the worker writes"
            for each in (ours, theirs, here, there):
                each.close()

    run(main())


def test_executors_take_connections_in_calls():
    ours, theirs = multiprocessing.Pipe()
    with ProcessPoolExecutor(1) as executor:
        executor.submit(things.greet, {"through": [theirs]}).result()
        assert ours.recv() == "hello"
    ours.close()
    theirs.close()


def test_in_a_call_they_are_refused_as_everywhere(run, context):
    async def main():
        async with FixedProcessPool(1, FUNCTIONS) as pool:
            with pytest.raises(SerializationError, match="only be shared between processes through inheritance"):
                await pool.execute(context.Lock(), "who")

    run(main())


def test_what_cannot_be_pickled_leaves_no_descriptor(run):
    ours, theirs = multiprocessing.Pipe()

    async def main():
        pool = FixedProcessPool(1, abs, initializer=things.keep, initargs=(theirs, threading.Lock()))
        with pytest.raises(SerializationError, match="lock"):
            await pool.start()

    run(main())
    ours.close()
    theirs.close()


@pytest.mark.parametrize("mp_context", [None, *METHODS])
def test_executors_take_them(context, mp_context):
    lock, value = context.Lock(), context.Value("i", 0)
    workers = None if mp_context is None else multiprocessing.get_context(mp_context)
    with ProcessPoolExecutor(2, workers, initializer=things.keep, initargs=(lock, value)) as executor:
        list(executor.map(things.add_to_kept, [20] * 4))
    assert value.value == 80


def test_a_thread_shares_them_by_reference():
    from poolifier.futures import ThreadPoolExecutor

    lock = multiprocessing.Lock()
    with ThreadPoolExecutor(1, initializer=things.keep, initargs=(lock,)) as executor:
        assert executor.submit(things.try_kept).result()
        assert not lock.acquire(False)
        lock.release()


def test_there_are_interpreters_where_there_should_be():
    """Otherwise all that is tried in them here would be left out without a word."""
    try:
        FixedInterpreterPool(1, abs)
    except UnsupportedError:
        import sys

        assert sys.version_info < (3, 14)
