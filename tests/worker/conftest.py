"""A worker's session without its process."""

import os
import socket

import pytest

from poolifier.exchange import WorkerSettings
from poolifier.task_functions import Worker
from poolifier.wire import messages
from poolifier.wire.frames import FrameDecoder
from poolifier.worker import current_task as module
from poolifier.worker.ledger import Ledger, create_ledger
from poolifier.worker.link import Link
from poolifier.worker.registry import Registry
from poolifier.worker.session import Session


class Pool:
    """The other end of a session in this very process; signals are calls of the handler."""

    def __init__(self, functions):
        self.sock, theirs = socket.socketpair()
        fd = create_ledger()
        self.ledger = Ledger(fd)
        os.close(fd)
        self.theirs = theirs
        self.session = Session(Link(theirs), self.ledger, Registry(Worker(functions)), WorkerSettings())
        self.decoder = FrameDecoder()

    @property
    def bytes_read(self):
        return self.decoder.received

    def say(self, opcode, body=None):
        self.sock.sendall(messages.message(opcode, body))

    def poke(self):
        self.session._on_poke(0, None)

    def replies(self):
        found = []
        while True:
            try:
                payloads = self.decoder.read(self.sock, memoryview(bytearray(65536)), socket.MSG_DONTWAIT)
            except BlockingIOError:
                return found
            for payload in payloads:
                if payload[0] == messages.REPLIES_TAG:
                    found += messages.read_replies(payload)[4]
                else:
                    opcode, body = messages.read(payload)
                    assert opcode == messages.BULK
                    found += body[3]

    def close(self):
        module.use_session(None)
        self.sock.close()
        self.theirs.close()
        self.ledger.close()


@pytest.fixture
def make_pool():
    pools = []

    def make(functions):
        pools.append(Pool(functions))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()
