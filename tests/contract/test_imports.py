"""An abort or a time limit does not break a module that the task imports: it waits for the end of the import."""

import asyncio
import sys
import threading
import time
from importlib import import_module
from pathlib import Path

import pytest

from poolifier import TaskTimeoutError
from tests.contract import tasks

PATIENT = {"abort_grace": 120.0, "destroy_timeout": 10.0}

PACKAGE = """
import time
from pathlib import Path

from poolifier import current_task

from . import part

here = Path(__file__).parent
(here / "begun").touch()
while not current_task().abort_requested:
    time.sleep(0.001)
# Here it would strike.
for _ in range(50):
    time.sleep(0.001)
while not (here / "go").exists():
    time.sleep(0.001)
done = part.value
"""


def load(place):
    folder, name = place
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return import_module(name)


def load_and_spin(place):
    load(place)
    tasks.spin(600)


def load_and_return(place):
    return load(place).done


def load_or_note(item):
    place, note = item
    if place is not None:
        load(place)
        return
    Path(note).touch()


def load_in_steps(place):
    try:
        yield "begun"
        load(place)
        yield "loaded"
        tasks.spin(600)
    finally:
        Path(place[0], "left").touch()


def done(place):
    """Whether the package is there, and whole."""
    return sys.modules[place[1]].done


FUNCTIONS = {
    "where": tasks.where,
    "spin": load_and_spin,
    "return": load_and_return,
    "note": load_or_note,
    "steps": load_in_steps,
    "done": done,
}


@pytest.fixture
def place(kind, request, tmp_path):
    """Where the package is, and its name, which no other test uses."""
    name = f"slow_{kind.name}_{abs(hash(request.node.name))}"
    package = tmp_path / name
    package.mkdir()
    (package / "__init__.py").write_text(PACKAGE)
    (package / "part.py").write_text("value = 'whole'")
    before = sys.path[:]
    yield str(tmp_path), name
    sys.path[:] = before
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


def file(place, name):
    return Path(*place, name)


@pytest.mark.parametrize("way", ["abort", "limit"])
def test_the_import_ends_and_the_task_is_stopped_right_after(run, until, kind, place, way):
    async def main():
        async with kind.fixed(1, FUNCTIONS, **PATIENT) as pool:
            worker = await pool.execute(None, "where")
            if way == "abort":
                future = pool.execute(place, "spin")
                await until(file(place, "begun").exists)
                future.cancel()
            limit = 0.5
            while not file(place, "begun").exists():
                # Until there is time for it to come there, on this machine.
                with pytest.raises(TaskTimeoutError):
                    await pool.execute(place, "spin", timeout=limit)
                limit *= 2
            file(place, "go").touch()
            # It does not wait for the end of the task, which is long.
            assert await asyncio.wait_for(pool.execute(place, "done"), 120) == "whole"
            assert await pool.execute(place, "return") == "whole"
            assert await pool.execute(None, "where") == worker

    run(main())


def test_an_abort_that_an_import_holds_back_to_the_last_hits_no_other_task(run, until, kind, place):
    async def main():
        async with kind.fixed(1, FUNCTIONS, **PATIENT) as pool:
            worker = await pool.execute(None, "where")
            future = pool.execute(place, "return")
            await until(file(place, "begun").exists)
            future.cancel()
            file(place, "go").touch()
            assert await pool.map_execute([place] * 100, "done") == ["whole"] * 100
            assert await pool.execute(None, "where") == worker
            info = pool.info
            assert info.failed_tasks == 0
            assert info.submitted_tasks == info.executed_tasks + info.aborted_tasks

    run(main())


def test_what_follows_in_a_map_does_not_run(run, until, kind, place, tmp_path):
    async def main():
        notes = [tmp_path / str(number) for number in range(20)]
        async with kind.fixed(1, FUNCTIONS, **PATIENT) as pool:
            items = [(place, ""), *((None, str(note)) for note in notes)]
            whole = asyncio.ensure_future(pool.map_execute(items, "note"))
            await until(file(place, "begun").exists)
            whole.cancel()
            with pytest.raises(asyncio.CancelledError):
                await whole
            file(place, "go").touch()
            assert await asyncio.wait_for(pool.execute(place, "done"), 120) == "whole"
            assert not any(note.exists() for note in notes)

    run(main())


def test_a_stream_that_imports_is_left_when_that_has_ended(run, until, kind, place):
    async def main():
        async with kind.fixed(1, FUNCTIONS, **PATIENT) as pool:
            async with asyncio.timeout(120):
                stream = pool.stream(place, "steps")
                assert await anext(stream) == "begun"
                following = asyncio.ensure_future(anext(stream))
                await until(file(place, "begun").exists)
                following.cancel()
                await asyncio.wait([following])
                closing = asyncio.ensure_future(stream.aclose())
                file(place, "go").touch()
                await closing
            assert await asyncio.wait_for(pool.execute(place, "done"), 120) == "whole"
            await until(Path(place[0], "left").exists)

    run(main())


def test_one_that_never_ends_costs_the_worker(run, until, kind, place):
    async def main():
        exits = []
        options = {"abort_grace": 0.2, "exit_handler": lambda node, _: exits.append(node.id)}
        async with kind.fixed(1, FUNCTIONS, **options) as pool:
            worker = pool.worker_nodes[0].id
            threads = set(threading.enumerate())
            future = pool.execute(place, "spin")
            neighbour = pool.execute(None, "where")
            await until(file(place, "begun").exists)
            begin = time.monotonic()
            future.cancel()
            await asyncio.wait_for(neighbour, 120)
            assert time.monotonic() - begin >= 0.2
            assert exits == [worker]
            if not kind.killable:
                # In an abandoned thread the abort is raised all the same, once it has come to an end.
                file(place, "go").touch()
                await until(lambda: not threads <= set(threading.enumerate()))

    run(main())
