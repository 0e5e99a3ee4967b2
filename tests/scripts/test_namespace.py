"""One namespace per script and worker: what initializers and tasks assign stays, what the script rebinds arrives."""

import pytest

from tests.scripts import scripts
from tests.scripts.runners import KINDS

SCRIPT = '''
import functools
import importlib
import inspect
import pickle
import sys
import threading

connection = None
total = 0
limit = 10
cache = {}
names = ["a"]
lock = None


def connect(*values):
    global connection, lock
    connection = values
    lock = threading.Lock()


def read():
    return connection


async def initializer_sets_globals(kind):
    later = lambda: (connection, lock.locked())
    async with runner(kind, [read, later, Reader.read], connect, ("c", 1)) as run:
        assert await run(read) == ("c", 1)
        assert await run(later) == (("c", 1), False)
        assert await run(Reader.read) == ("c", 1)
        await run.add(read_later)
        assert await run(read_later) == ("c", 1)
        nested = closure()
        await run.add(nested)
        assert await run(nested) == ("c", 1)
    assert connection is None


class Reader:
    @staticmethod
    def read():
        return connection


def read_later():
    return connection


def closure():
    other = 1

    def inner():
        return connection if other else None

    return inner


def add(x):
    global total
    total += x
    return total


def see():
    return total


class Account:
    def __init__(self, x):
        self.x = x

    def deposit(self):
        global total
        total += self.x
        return total


def deposit(account):
    return account.deposit()


async def tasks_set_globals(kind):
    global total
    total = 0
    async with runner(kind, [add, see, deposit]) as run:
        assert [await run(add, 1), await run(add, 2), await run(see)] == [1, 3, 3]
        assert [await run(deposit, Account(10)), await run(see), await run(add, 1)] == [13, 13, 14]
        await run.add(see_later)
        assert await run(see_later) == 14
        assert total == 0
        # What a worker has assigned stays until the script says something else.
        total = 100
        assert await run(add, 1) == 101
        assert await run(see) == 101
        assert await run(see_later) == 101


def see_later():
    return total


def remember(x):
    cache[x] = x * 2
    names.append(x)
    return len(names)


def recall():
    return sorted(cache), names


async def globals_change_in_place(kind):
    cache.clear()
    async with runner(kind, [remember, recall]) as run:
        before = await run(remember, 1)
        assert await run(remember, 2) == before + 1
        assert (await run(recall))[0] == [1, 2]
        # Changes in place do not travel, in either direction.
        cache[99] = 1
        names.append("parent")
        assert (await run(recall))[0] == [1, 2]
        assert "parent" not in (await run(recall))[1]
    del cache[99]
    names.remove("parent")


def limited(x):
    return min(x, limit)


def indirect(x):
    return limited(x)


async def globals_are_rebound(kind):
    global limit
    limit = 10
    indirectly = lambda x: indirect(x)
    async with runner(kind, [limited, indirect, indirectly]) as run:
        assert await run(limited, 50) == 10
        limit = 20
        assert await run(limited, 50) == 20
        limit = 30
        assert await run(indirect, 50) == 30
        limit = 40
        assert await run(indirectly, 50) == 40
        limit = [1, 2]
        assert await run(limited, [3]) == [1, 2]
        limit = 5
        assert [await run(limited, 50) for _ in range(3)] == [5, 5, 5]


def helper(x):
    return "old", x


def with_helper(x):
    return helper(x)


async def functions_are_redefined(kind):
    global helper
    old = helper
    async with runner(kind, [with_helper]) as run:
        assert await run(with_helper, 1) == ("old", 1)

        def helper(x):
            return "new", x, limit.__class__.__name__

        assert await run(with_helper, 1) == ("new", 1, "int")
        helper = old
        assert await run(with_helper, 1) == ("old", 1)
        helper = lambda x: ("lambda", x)
        assert await run(with_helper, 1) == ("lambda", 1)
    helper = old


class Point:
    version = 1

    def __init__(self, x):
        self.x = x


def version(point):
    return type(point) is Point, isinstance(point, Point), point.version, Point.version, Point(1).version


def made(x):
    return Point(x)


async def classes_are_redefined(kind):
    global Point
    old = Point
    async with runner(kind, [version, made]) as run:
        assert await run(version, Point(1)) == (True, True, 1, 1, 1)
        assert type(await run(made, 1)) is Point

        class Point:
            version = 2

            def __init__(self, x):
                self.y = x

        Point.__qualname__ = "Point"
        assert await run(version, Point(1)) == (True, True, 2, 2, 2)
        back = await run(made, 7)
        assert type(back) is Point and back.y == 7, back
        # One of before is still one of before.
        assert await run(version, old(1)) == (False, False, 1, 2, 2)
    Point = old


def of_the_class(x):
    return type(INSTANCE) is Point, isinstance(INSTANCE, Point), INSTANCES[0] is INSTANCE, POINT is Point


INSTANCE = Point(1)
INSTANCES = [INSTANCE]
POINT = Point


async def what_belongs_together_is_redefined_together(kind):
    global Point, INSTANCE, INSTANCES, POINT
    old = Point, INSTANCE, INSTANCES, POINT
    async with runner(kind, [of_the_class]) as run:
        for number in range(3):
            assert await run(of_the_class, 1) == (True, True, True, True), number

            class Point:
                def __init__(self, x):
                    self.x = x

            Point.__qualname__ = "Point"
            POINT = Point
            INSTANCE = Point(number)
            INSTANCES = [INSTANCE]
    Point, INSTANCE, INSTANCES, POINT = old


def task(x):
    return "first", x


async def task_functions_are_redefined(kind):
    global task
    first = task
    async with runner(kind, [task]) as run:
        assert await run(task, 1) == ("first", 1)

        def task(x):
            return "second", x

        await run.add(task, instead=first)
        assert await run(task, 1) == ("second", 1)
    task = first


def job(x):
    return "job", x, total


def by_text(reference):
    module, _, name = reference.partition(":")
    found = getattr(importlib.import_module(module), name)
    return found is globals().get(name), found(1)


def uses_job(x):
    return job(x)


async def references_by_text(kind):
    global total
    total = 3
    async with runner(kind, [by_text, uses_job]) as run:
        assert await run(uses_job, 1) == ("job", 1, 3)
        assert await run(by_text, "__main__:job") == (True, ("job", 1, 3))


async def references_by_text_alone(kind):
    """Nothing that has travelled names the job: it is there all the same, as in a process that imports the script."""
    async with runner(kind, [by_text_alone]) as run:
        assert await run(by_text_alone, "__main__:job_by_text_alone") == 5


def by_text_alone(reference):
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)(2)


def job_by_text_alone(x):
    return x + OFFSET_BY_TEXT_ALONE


OFFSET_BY_TEXT_ALONE = 3


def by_eval(text):
    return eval(text)


async def names_that_only_text_has(kind):
    async with runner(kind, [by_eval]) as run:
        assert await run(by_eval, "OFFSET_BY_TEXT_ALONE + 1") == 4
        assert await run(by_eval, "globals()['job_by_text_alone'](1)") == 4


def load(blob):
    value = pickle.loads(blob)
    return type(value) is Point, value.x


async def pickles_of_its_own(kind):
    async with runner(kind, [load]) as run:
        assert await run(load, pickle.dumps(Point(4))) == (True, 4)


def counter():
    count = 0

    def bump():
        nonlocal count
        count += 1
        return count

    def read():
        return count

    return bump, read


async def closures_keep_their_cells(kind):
    bump, read = counter()
    async with runner(kind, [bump, read]) as run:
        assert [await run(bump), await run(bump), await run(bump)] == [1, 2, 3]
        if run.pool is not None:
            # Functions of one pool have their cells in common, as they do here.
            assert await run(read) == 3
    assert read() == 0


async def cells_are_rebound(kind):
    value = "first"

    def task():
        return value

    async with runner(kind, [task]) as run:
        assert await run(task) == "first"
        value = "second"
        assert await run(task) == "second"


@functools.cache
def slow(x):
    return object()


def cached(x):
    slow(x)
    return slow.cache_info().hits, slow.cache_info().misses


def cached_again(x):
    slow(x)
    return slow.cache_info().hits


async def caches_live_as_long_as_a_worker(kind):
    async with runner(kind, [cached, cached_again]) as run:
        assert [await run(cached, 1), await run(cached, 1), await run(cached_again, 1)] == [(0, 1), (1, 1), 2]
    assert slow.cache_info().misses == 0


def counting(x):
    counting.calls += 1
    return counting.calls


counting.calls = 0


def growing(x, seen=[]):
    seen.append(x)
    return list(seen)


async def functions_keep_state(kind):
    async with runner(kind, [counting, growing]) as run:
        assert [await run(counting, 1), await run(counting, 1)] == [1, 2]
        assert [await run(growing, 1), await run(growing, 2)] == [[1], [1, 2]]


class State:
    def __init__(self):
        self.count = 0


state = State()


def bump_state(x):
    state.count += 1
    return state.count


def see_state(given):
    return state.count, given.count, given is state


async def an_object_in_a_global(kind):
    async with runner(kind, [bump_state, see_state]) as run:
        assert [await run(bump_state, 1), await run(bump_state, 1)] == [1, 2]
        # An argument is a copy, as with pickle, and leaves the global alone.
        assert await run(see_state, state) == (2, 0, False)
        assert await run(bump_state, 1) == 3


def which(x):
    return id(names), id(cache)


def which_else(x):
    return id(names), id(cache)


async def all_functions_have_the_same_objects(kind):
    async with runner(kind, [which, which_else]) as run:
        assert await run(which, 1) == await run(which_else, 1) == await run(which, 1)


def die(x):
    import os
    os._exit(3)


async def workers_that_come_later(kind):
    global limit
    if kind not in ("fork_server", "process-spawn"):
        return
    limit = 10
    async with runner(kind, [limited, die, read, add], connect, ("c",)) as run:
        limit = 11
        assert await run(limited, 50) == 11
        try:
            await run(die, 1)
        except Exception as error:
            assert type(error).__name__ == "WorkerCrashedError", error
        assert await run(limited, 50) == 11
        assert await run(read) == ("c",)


def one_of_two(x):
    return [one.x for one in several], single.x, also is several, len(several)


single = Point(1)
several = [single]
also = several


async def workers_that_come_later_have_what_is_meant(kind):
    """Names that meant one object once, of which one has been rebound."""
    global single, several
    if kind not in ("fork_server", "process-spawn"):
        return
    several[:] = [single]
    before = single, several
    async with runner(kind, [one_of_two, die]) as run:
        assert await run(one_of_two, 1) == ([1], 1, True, 1)
        single = Point(2)
        assert await run(one_of_two, 1) == ([1], 2, True, 1)
        several = [single, single]
        assert await run(one_of_two, 1) == ([2, 2], 2, False, 2)
        for _ in range(2):
            try:
                await run(die, 1)
            except Exception as error:
                assert type(error).__name__ == "WorkerCrashedError", error
            assert await run(one_of_two, 1) == ([2, 2], 2, False, 2)
        single = Point(3)
        try:
            await run(die, 1)
        except Exception as error:
            assert type(error).__name__ == "WorkerCrashedError", error
        assert await run(one_of_two, 1) == ([2, 2], 3, False, 2)
    single, several = before


def locked(x):
    with lock:
        return lock.locked()


async def what_cannot_be_pickled_is_made_by_the_initializer(kind):
    async with runner(kind, [locked], connect) as run:
        assert await run(locked, 1) is True


held_lock = threading.Lock()
held_rlock = threading.RLock()
condition = threading.Condition()


class Guarded:
    def __init__(self):
        self.lock = threading.Lock()


guarded = Guarded()


def lock_of_a_closure():
    own = threading.Lock()

    def uses_own(x):
        with own:
            return own.locked()

    return uses_own


uses_own = lock_of_a_closure()


def use_closure(x):
    return uses_own(x)


def take_all(x):
    taken = [lock.acquire(timeout=5) for lock in (held_lock, held_rlock, guarded.lock)]
    for lock in (held_lock, held_rlock, guarded.lock):
        lock.release()
    return taken


def wait_and_notify(x):
    """One of two threads is notified, and it is the worker's own."""
    waiting, woken = threading.Event(), []

    def wait():
        with condition:
            waiting.set()
            woken.append(condition.wait(10))

    thread = threading.Thread(target=wait)
    thread.start()
    waiting.wait(10)
    with condition:
        condition.notify()
    thread.join()
    return woken


async def locks_of_the_script_are_free_in_each_worker(kind):
    waiting = threading.Event()

    def wait():
        with condition:
            waiting.set()
            condition.wait()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    waiting.wait()
    with condition:
        pass  # by now it waits
    with held_lock, held_rlock, guarded.lock:
        async with runner(kind, [take_all, wait_and_notify, use_closure]) as run:
            assert await run(take_all, 1) == [True] * 3
            assert await run(take_all, 1) == [True] * 3
            assert await run(wait_and_notify, 1) == [True]
            assert await run(use_closure, 1) is True
        assert held_lock.locked() and guarded.lock.locked()
    with condition:
        condition.notify()
    thread.join()


out = sys.stdout


def print_to(x):
    return out is sys.stdout


async def standard_streams_are_the_workers(kind):
    async with runner(kind, [print_to]) as run:
        assert await run(print_to, 1)


async def two_pools_have_two_namespaces(kind):
    global total
    total = 0
    async with runner(kind, [add, see]) as one, runner(kind, [add, see]) as other:
        assert await one(add, 1) == 1
        assert await other(see) == 0
        assert await other(add, 5) == 5
        assert await one(see) == 1


def define(x):
    global defined_in_a_task
    defined_in_a_task = x


def use_defined(x):
    return defined_in_a_task


async def globals_that_only_workers_have(kind):
    async with runner(kind, [define, use_defined]) as run:
        await run(define, [1])
        assert await run(use_defined, 0) == [1]


def delete(x):
    global deleted
    del deleted


def is_deleted(x):
    try:
        return deleted
    except NameError:
        return "deleted"


deleted = 1


async def globals_are_deleted(kind):
    async with runner(kind, [delete, is_deleted]) as run:
        assert await run(is_deleted, 0) == 1
        await run(delete, 0)
        assert await run(is_deleted, 0) == "deleted"


if __name__ == "__main__":
    import sys

    from tests.scripts import runners
    from tests.scripts.runners import runner

    scenarios = [value for value in list(globals().values()) if inspect.iscoroutinefunction(value)]
    runners.main(scenarios, sys.argv[1:])
'''


@pytest.mark.parametrize("kind", KINDS)
def test_one_namespace(tmp_path, kind):
    (tmp_path / "script.py").write_text(SCRIPT)
    lines = scripts.run(tmp_path / "script.py", kind).stdout.splitlines()
    assert lines[-1] == "done"
    assert lines == ["done"], "\n".join(lines)
