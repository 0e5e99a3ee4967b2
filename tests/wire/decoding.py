"""What the decoders are held to, and what they are given to begin with. Hypothesis and the fuzzer both go by it.

Whatever bytes arrive, a decoder says what was said, in its documented form, or refuses it by a `FrameError`; and
does so in a moment, and without more memory than there is. Nothing else is allowed to come out of it.

A pickle is a program, and who may write one is trusted (see the page on security). So pickles of bytes that came about
by chance may use nothing here but exceptions and what poolifier's own messages hold.
"""

import builtins
import marshal
import resource
import sys
import traceback
from contextlib import contextmanager, suppress
from pathlib import Path
from time import process_time

from poolifier.backends.unpacking import unpacked
from poolifier.exchange import MAPPED_RUN, WorkerReady
from poolifier.task_functions import KillBehavior
from poolifier.wire import messages
from poolifier.wire.frames import FrameDecoder, FrameError, frame
from poolifier.wire.log_records import pack_record, unpack_record
from poolifier.wire.remote_errors import decode_error, encode_error
from poolifier.wire.reply_form import checked_replies

LONGEST = 10.0
"""Seconds of CPU time that a decoder may take for a few kilobytes, on a slow machine."""

ROOM = 512 << 20


@contextmanager
def little_memory():
    """A pickle may ask for any amount of memory; it is to be refused at once here, not to be found by swapping."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def replies_payload(replies, generation=1, pickles=True, active=1.0, idle=2.0):
    data = b"".join(marshal.dumps(reply, 2) for reply in replies)
    head = messages.replies_head(len(data), generation, active, idle, pickles, len(replies))
    return (messages.REPLIES_HEAD.pack(*head) + data)[8:]


RECORD = {
    "name": "app",
    "levelno": 20,
    "levelname": "INFO",
    "msg": "text",
    "pathname": "/a/b.py",
    "lineno": 3,
    "created": 1.5,
}
READY = WorkerReady((), 60.0, KillBehavior.SOFT, 1)
MESSAGES = [
    messages.message(messages.READY, READY)[8:],
    messages.message(messages.BULK, (1, 0.0, 0.0, [(1, 0, None, 0.1, b"pickle")]))[8:],
    messages.message(messages.FUNCTION_ADDED, ("key", None))[8:],
    messages.message(messages.LOG, pack_record(RECORD, {"a": 1, "b": [2]}))[8:],
    replies_payload([(1, 0, "text", 0.5), (2, 1, None, 0.1, b"pickle")]),
    replies_payload([(1, MAPPED_RUN, ([1, 2, 3], [2, 1], [0.1, 0.2]), 0.4), (1, 0, "text", 0.5)]),
]


def check_replies(replies):
    """What passes can be handed on: each reply has its parts, and they have their types."""
    assert type(replies) is list
    for reply in replies:
        sequence, status, value, run_time, *pickled = reply
        assert type(sequence) is int
        assert status in range(MAPPED_RUN + 1)
        assert type(run_time) is float
        assert len(pickled) <= 1
        if status == MAPPED_RUN:
            values, counts, means = value
            assert sum(counts) == len(values)
            assert len(counts) == len(means)
        with suppress(FrameError):
            assert len(unpacked(reply)) == 4
    assert 0.0 <= sum(reply[3] for reply in replies) < 1e12


def check_payload(data):
    if data and data[0] == messages.REPLIES_TAG:
        *_, replies = messages.read_replies(memoryview(data))
        check_replies(replies)
        return
    opcode, body = messages.read(memoryview(data))
    if opcode == messages.LOG:
        record = unpack_record(body)
        assert type(record["name"]) is type(record["msg"]) is str
        assert type(record["levelno"]) is int
    elif opcode == messages.BULK:
        try:
            _, active, idle, replies = body
        except (TypeError, ValueError):
            return
        check_replies(checked_replies(replies, active, idle))


def check_stream(data):
    """The first byte says where the stream is cut as it arrives."""
    cut, stream = data[0] if data else 0, data[1:]
    decoder, whole = FrameDecoder(), b""
    for part in (stream[:cut], stream[cut:]):
        if decoder._large is not None:
            # The rest of a large payload is received into its own memory, and not fed.
            return
        for payload in decoder.feed(memoryview(part)):
            whole += frame(bytes(payload))
            check_payload(bytes(payload))
    assert decoder.unfinished or whole == stream


def check_outbox(data):
    """The first two bytes say how many replies there are to be."""
    check_replies(messages.marshalled_replies(int.from_bytes(data[:2], "little"), data[2:]))


def check_values(data):
    assert type(messages.marshalled_values(data)) is list


def check_error(data):
    error = decode_error(data)
    assert isinstance(error, BaseException)
    # It is raised, and shown.
    try:
        raise error
    except BaseException:
        traceback.format_exc()


CHECKS = [check_payload, check_stream, check_outbox, check_values, check_error]


def seeds():
    """What is said in earnest, each as `check` takes it."""
    replies = [(1, 0, "text", 0.5), (2, 1, None, 0.1, b"pickle")]
    try:
        raise ExceptionGroup("both", [ValueError(1), KeyError("x")]) from LookupError("lost")
    except ExceptionGroup as error:
        errors = [encode_error(error), encode_error(SystemExit(3)), encode_error(OSError(2, "no", "file"))]
    inputs = [
        (check_payload, MESSAGES),
        (check_stream, [bytes([cut]) + b"".join(map(frame, MESSAGES)) for cut in (0, 5, 200)]),
        (check_outbox, [b"\2\0" + b"".join(marshal.dumps(reply, 2) for reply in replies)]),
        (check_values, [b"".join(marshal.dumps(value, 2) for value in (1, "a", None, [1.5, b"c"], {"k": (True,)}))]),
        (check_error, errors),
    ]
    return [bytes([CHECKS.index(check)]) + data for check, some in inputs for data in some]


def check(data):
    """Holds one decoder to its promise; the first byte says which."""
    if not data:
        return
    decode = CHECKS[data[0] % len(CHECKS)]
    began = process_time()
    with suppress(FrameError):
        decode(data[1:])
    assert process_time() - began < LONGEST


_harmless = {
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
}
_guarding = []


def _refuse_programs(event, arguments):
    if event == "pickle.find_class" and _guarding:
        module, name = arguments
        if not (module.startswith("poolifier.") or (module == "builtins" and name in _harmless)):
            raise ImportError(f"no {module}.{name} here")


@contextmanager
def only_our_pickles():
    """Pickles may use exceptions and poolifier's own classes, and nothing else that there is."""
    if not _guarding:
        sys.addaudithook(_refuse_programs)
    _guarding.append(True)
    try:
        yield
    finally:
        _guarding.pop()
