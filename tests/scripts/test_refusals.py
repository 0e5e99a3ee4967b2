"""What cannot travel is told with the function that uses it, the global or argument where it is, and a way out."""

import pytest

from tests.scripts import scripts
from tests.scripts.runners import KINDS

SCRIPT = '''
import asyncio, select, socket, sqlite3, sys, tempfile, threading


class Sink:
    def __init__(self, path):
        self.file = open(path, "w")

    def write(self, message):
        self.file.write(message)


class Core:
    def __init__(self):
        self.handlers = {}
        self.lock = threading.RLock()


class Logger:
    """Like loguru's: a global that is set up once, and writes to a file."""

    def __init__(self, core):
        self._core = core

    def add(self, path):
        self._core.handlers[0] = Sink(path)

    def info(self, message):
        for handler in self._core.handlers.values():
            handler.write(message)


logger = Logger(Core())
logger.add(tempfile.mktemp())
database = sqlite3.connect(":memory:")
connection = select.poll()
sender, receiver = socket.socketpair()
receiver.settimeout(20)
numbers = (number for number in range(3))
opened = open(__file__, "a") if "__file__" in globals() else open(tempfile.mktemp(), "w")
config = open(__file__)
nested = {"a": [1, {"deep": opened}]}
frame = sys._getframe()
registry = []


def uses_logger(x):
    logger.info("message")
    return x


def uses_database(x):
    return database.execute("select 1")


def uses_connection(x):
    return connection.fileno()


def uses_numbers(x):
    return next(numbers)


def uses_opened(x):
    opened.write("x")


def uses_config(x):
    return config.read()


def uses_nested(x):
    return nested["a"]


def uses_frame(x):
    return frame.f_lineno


def helper(x):
    return uses_opened(x)


def uses_a_helper(x):
    return helper(x)


class Service:
    def __init__(self, x):
        self.x = x

    def run(self, x):
        return database.total_changes


def uses_a_method(x):
    return Service(x).run(x)


def closure():
    handle = opened

    def uses_a_cell(x):
        return handle.name

    return uses_a_cell


uses_a_cell = closure()


def uses_a_default(x, log=opened):
    return log.name


def takes(x):
    return x


def gives_connection(x):
    return select.poll()


def gives_config(x):
    return open(__file__)


def cell_with_a_lock():
    own = threading.Lock()

    def uses_a_lock(x):
        return own.locked()

    return uses_a_lock


def made_to_measure():
    """Spawn refuses such a function, and the lock in it: nobody could say which other process has that lock, too."""
    return cell_with_a_lock()


def uses_socket(x):
    sender.sendall(x)


def takes_socket(given):
    given.sendall(b"taken")


def gives_socket(x):
    """One that was made in the worker, with somebody at its other end."""
    ours, theirs = socket.socketpair()
    threading.Thread(target=answer, args=(ours,)).start()
    return theirs


def answer(ours):
    with ours:
        ours.sendall(ours.recv(100).upper())


def works(x):
    """None of these is in its way."""
    return x + 1


CASES = [
    (uses_logger, "uses_logger", "logger"),
    (uses_database, "uses_database", "database"),
    (uses_connection, "uses_connection", "connection"),
    (uses_numbers, "uses_numbers", "numbers"),
    (uses_opened, "uses_opened", "opened"),
    (uses_config, "uses_config", "config"),
    (uses_nested, "uses_nested", "nested"),
    (uses_frame, "uses_frame", "frame"),
    (uses_a_helper, "uses_opened", "opened"),
    (uses_a_method, "run", "database"),
    (uses_a_cell, "uses_a_cell", "handle"),
    (uses_a_default, "uses_a_default", "opened"),
]


async def sockets(kind):
    """They can travel, as between processes of `multiprocessing`."""
    from tests.scripts.comparison import EXECUTORS, executor, pool_of

    if kind in EXECUTORS:
        with executor(kind, None, ()) as workers:
            await check_sockets(kind, lambda function, given: asyncio.wrap_future(workers.submit(function, given)))
    else:
        functions = {each.__name__: each for each in (uses_socket, takes_socket, gives_socket, works)}
        async with pool_of(kind, functions, None, ()) as pool:
            await check_sockets(kind, lambda function, given: pool.execute(given, function.__name__))


async def check_sockets(kind, call):
    from tests.scripts.comparison import EXECUTORS

    # First, when the worker has met none.
    given = await call(gives_socket, None)
    given.sendall(b"given")
    assert given.recv(100) == b"GIVEN", kind
    given.close()
    await call(takes_socket, sender)
    assert receiver.recv(100) == b"taken", kind
    if kind in EXECUTORS:
        # Calls bring their arguments; what a function of a script uses besides is sent once, to any number of workers.
        await refused(f"{kind}: uses_socket", call(uses_socket, b"used"), "uses_socket", "sender", "initializer")
    else:
        await call(uses_socket, b"used")
        assert receiver.recv(100) == b"used", kind
    assert await call(works, 1) == 2
    # It is only lent: here it is as before.
    sender.sendall(b"mine")
    assert receiver.recv(100) == b"mine", kind


async def refused(what, future, *words):
    try:
        print(f"{what}: came to", await future)
    except Exception as error:
        missing = names(str(error), *words)
        if missing:
            print(f"{what}: does not name {missing}: {type(error).__name__}: {error}")


def names(text, *words):
    return [word for word in words if word not in text]


async def main(kinds):
    from tests.scripts.comparison import EXECUTORS, executor, pool_of

    for kind in kinds:
        await sockets(kind)
        for function, culprit, name in CASES:
            try:
                if kind in EXECUTORS:
                    with executor(kind, None, ()) as workers:
                        result = workers.submit(function, 1).result()
                else:
                    async with pool_of(kind, {"task": function}, None, ()) as pool:
                        result = await pool.execute(1)
            except Exception as error:
                text = str(error)
                missing = names(text, culprit, name, "initializer")
                if missing or "pickle" not in text:
                    print(f"{kind}: {function.__name__}: does not name {missing}: {type(error).__name__}: {text}")
            else:
                print(f"{kind}: {function.__name__}: came to {result!r}")
        if kind in EXECUTORS:
            with executor(kind, None, ()) as workers:
                for function, argument, words in (
                    (takes, connection, ["poll"]),
                    (gives_connection, 1, ["poll"]),
                    (takes, config, ["TextIOWrapper"]),
                    (gives_config, 1, ["TextIOWrapper"]),
                    (takes, threading.Lock(), ["lock"]),
                    (made_to_measure(), 1, ["uses_a_lock", "own", "lock", "initializer"]),
                ):
                    try:
                        print(f"{kind}: {function.__name__}: came to", workers.submit(function, argument).result())
                    except Exception as error:
                        if names(str(error), *words):
                            print(f"{kind}: {function.__name__}: {error}")
                assert workers.submit(works, 1).result() == 2
            continue
        functions = {"takes": takes, "gives": gives_connection, "gives_config": gives_config, "works": works}
        async with pool_of(kind, functions, None, ()) as pool:
            for name, argument, words in (
                ("takes", connection, ["takes", "poll"]),
                ("gives", 1, ["gives", "poll"]),
                ("takes", config, ["takes", "TextIOWrapper"]),
                ("gives_config", 1, ["gives_config", "TextIOWrapper"]),
                ("takes", threading.Lock(), ["takes", "lock"]),
            ):
                try:
                    print(f"{kind}: {name}: came to", await pool.execute(argument, name))
                except Exception as error:
                    if names(str(error), *words):
                        print(f"{kind}: {name}: {type(error).__name__}: {error}")
            # Such a function can be added no more than begun with, and leaves the pool as it was.
            try:
                await pool.add_task_function("added", uses_database)
                print(f"{kind}: could be added")
            except Exception as error:
                missing = names(str(error), "uses_database", "database", "initializer")
                if missing:
                    print(f"{kind}: added: does not name {missing}: {type(error).__name__}: {error}")
            try:
                await pool.add_task_function("added", made_to_measure())
                print(f"{kind}: one with a lock could be added")
            except Exception as error:
                missing = names(str(error), "uses_a_lock", "own", "lock", "initializer")
                if missing:
                    print(f"{kind}: one with a lock: does not name {missing}: {type(error).__name__}: {error}")
            assert await pool.execute(1, "works") == 2
    print("done")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
'''


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    path = tmp_path_factory.mktemp("refusals") / "script.py"
    path.write_text(SCRIPT)
    lines = scripts.run(path, *KINDS).stdout.splitlines()
    assert lines[-1] == "done"
    return lines[:-1]


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_travel_is_named(printed, kind):
    different = [line for line in printed if line.startswith(f"{kind}: ")]
    assert not different, "\n".join(different)
