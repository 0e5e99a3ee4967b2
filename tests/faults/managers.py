"""Task functions that enter and leave `with` statements, and what is left held afterwards."""

import contextlib
import io
import threading

lock = threading.Lock()
rlock = threading.RLock()
condition = threading.Condition()
plain_condition = threading.Condition(threading.Lock())
semaphore = threading.BoundedSemaphore(1)
entered = []
files = []


class File(io.FileIO):
    """Tells whether a `with` statement has begun with it, so that it has to be closed."""

    def __enter__(self):
        files.append(self)
        return super().__enter__()


class Written:
    """Written in Python, with a lock that it takes in one statement of several."""

    lock = threading.Lock()

    def __enter__(self):
        self.lock.acquire()
        entered.append(self)
        return self

    def __exit__(self, *_):
        entered.remove(self)
        self.lock.release()


class WrittenAsync(Written):
    lock = threading.Lock()

    async def __aenter__(self):
        return self.__enter__()

    async def __aexit__(self, *details):
        self.__exit__(*details)


generated_lock = threading.Lock()


@contextlib.contextmanager
def generated():
    generated_lock.acquire()
    try:
        yield
    finally:
        generated_lock.release()


@contextlib.contextmanager
def around():
    with condition, semaphore:
        yield


def with_lock():
    with lock:
        pass


def with_lock_of(_):
    with_lock()


def with_condition():
    with condition:
        pass


def with_semaphore():
    with semaphore:
        pass


def with_written():
    with Written() as written:
        assert written.lock.locked()


def with_generated():
    with generated():
        pass


def nested():
    with lock, rlock, plain_condition, around(), File(__file__) as file, Written():
        file.fileno()


def raising():
    with contextlib.suppress(LookupError), lock, condition, generated():
        raise LookupError


def returning():
    with lock, condition:
        return sum(items())


def items():
    for item in range(3):
        with rlock, generated():
            yield item


def stacked():
    with contextlib.ExitStack() as stack:
        for manager in (lock, rlock, condition, generated(), Written()):
            stack.enter_context(manager)


def called_from_c():
    list(map(with_lock_of, range(3)))
    sorted(range(3), key=lambda _: with_condition() or 0)


@contextlib.asynccontextmanager
async def generated_async():
    with generated():
        yield


async def _asynchronous():
    async with WrittenAsync(), generated_async(), contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(_Stacked())


class _Stacked(WrittenAsync):
    lock = threading.Lock()


def asynchronous():
    coroutine = _asynchronous()
    with contextlib.suppress(StopIteration):
        # Without an event loop, which would take an abort for the error of a callback.
        coroutine.send(None)


WAYS = {
    way.__name__: way
    for way in (
        with_lock,
        with_condition,
        with_semaphore,
        with_written,
        with_generated,
        nested,
        raising,
        returning,
        stacked,
        called_from_c,
        asynchronous,
    )
}


def work(way):
    """Goes that way for ever."""
    enter = WAYS[way]
    while True:
        enter()


def held(_):
    """What has been left held, which is let go."""
    left = []
    for name, some in {
        "lock": lock,
        "rlock": rlock,
        "condition": condition,
        "plain_condition": plain_condition,
        "semaphore": semaphore,
        "written": Written.lock,
        "written_async": WrittenAsync.lock,
        "stacked": _Stacked.lock,
        "generated": generated_lock,
    }.items():
        owned = some is not semaphore and getattr(some, "_is_owned", lambda: False)()
        if owned and name != "plain_condition":
            left.append(name)
            some.release()
            continue
        if (
            not some.acquire(timeout=0.05)
            if name not in ("condition", "plain_condition")
            else not some.acquire(True, 0.05)
        ):
            left.append(name)
        some.release()
    if entered:
        left.append("entered")
        entered.clear()
    if not all(file.closed for file in files):
        left.append("file")
    files.clear()
    return left


def wait(name):
    """Waits, by a `with`, for what a thread holds that lets go of it once the task is over."""
    way = {"lock": with_lock, "condition": with_condition, "semaphore": with_semaphore, "generated": with_generated}[
        name
    ]
    some = {"lock": lock, "condition": condition, "semaphore": semaphore, "generated": generated_lock}[name]
    over, has = threading.Event(), threading.Event()

    def hold():
        with some:
            has.set()
            over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    has.wait()
    try:
        way()
    finally:
        over.set()
        thread.join()
