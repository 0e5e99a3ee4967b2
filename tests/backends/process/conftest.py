"""A pool in miniature: a listener that records, and helpers that wait for what it records."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from poolifier.backends.process.backend import ProcessBackend
from poolifier.exchange import WorkerSettings
from poolifier.options import ProcessOptions
from poolifier.worker.source import WorkerSource

TASKS_FILE = Path(__file__).parent / "process_tasks.py"


class Recorder:
    def __init__(self):
        self.ready = {}
        self.exits = {}
        self.answers = {}
        self.messages = []
        self.records = []
        self.times = {}
        self.changed = asyncio.Event()

    def worker_ready(self, worker_id, ready):
        assert worker_id not in self.ready
        assert worker_id not in self.exits
        self.ready[worker_id] = ready
        self.changed.set()

    def replies(self, worker_id, replies, active, idle):
        assert worker_id not in self.exits, "a reply after the exit"
        for reply in replies:
            key = (worker_id, reply[0])
            assert key not in self.answers, f"answered twice: {reply}"
            self.answers[key] = reply
        self.times[worker_id] = (active, idle)
        self.changed.set()

    def worker_message(self, worker_id, message):
        self.messages.append((worker_id, message))
        self.changed.set()

    def worker_logged(self, worker_id, attributes):
        self.records.append((worker_id, attributes))
        self.changed.set()

    def worker_exited(self, worker_id, exited):
        assert worker_id not in self.exits, "exited twice"
        self.exits[worker_id] = exited
        self.changed.set()

    async def until(self, condition, seconds=20.0):
        async with asyncio.timeout(seconds):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def answer(self, worker_id, sequence):
        await self.until(lambda: (worker_id, sequence) in self.answers or worker_id in self.exits)
        assert (worker_id, sequence) in self.answers, self.exits
        return self.answers[worker_id, sequence]


class Sender:
    """A channel whose tasks get an id. It is none of the sequences, so whoever mixes them up is found out."""

    def __init__(self, channel):
        self._channel = channel

    def send(self, tasks):
        return self._channel.send([(*task[:3], task[0] + 5000, *task[3:]) for task in tasks])

    def __getattr__(self, name):
        return getattr(self._channel, name)


class Harness:
    """A backend, its recorder, and one channel per worker."""

    def __init__(self, source=None, *, initializer=None, initargs=(), **options):
        self.backend = ProcessBackend(
            WorkerSource.from_argument(TASKS_FILE if source is None else source),
            ProcessOptions(**options),
            initializer,
            initargs,
        )
        self.recorder = Recorder()

    async def __aenter__(self):
        await self.backend.start(self.recorder)
        return self

    async def __aexit__(self, *_):
        await self.backend.close()

    async def worker(self, worker_id=1, concurrency=1, slot=0):
        channel = Sender(self.backend.start_worker(worker_id, slot, WorkerSettings(concurrency)))
        recorder = self.recorder
        await recorder.until(lambda: worker_id in recorder.ready or worker_id in recorder.exits)
        return channel

    async def exit_of(self, worker_id=1):
        await self.recorder.until(lambda: worker_id in self.recorder.exits)
        return self.recorder.exits[worker_id]


async def file_appears(path, seconds=20.0):
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(FileNotFoundError):
                text = path.read_text()
                if text:
                    return text
            await asyncio.sleep(0.005)


@pytest.fixture
def harness():
    return Harness


@pytest.fixture
def appears():
    return file_appears
