"""`send_message()`: what a task function can tell its pool while it runs."""

from __future__ import annotations

from poolifier.errors import SerializationError
from poolifier.wire import codec
from poolifier.worker import current_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["send_message"]


def send_message(message: Any) -> None:
    """Sends a message to the pool, whose `message_handler` gets it with the worker node.

    Returns once it is on its way, from where not even the worker's death takes it back. Messages that
    one thread sends arrive in that order, and before the result of the task that sent them. Works in
    task functions of every kind, and in any thread of a worker. Where the pool has no
    `message_handler` it is dropped there.

    Raises:
        SerializationError: The message cannot be pickled.
        RuntimeError: This is not a worker.
    """
    host = current_task.current_host()
    if host is not None:
        host.say(message)
        return
    session = current_task.current_session()
    if session is None or session.forked:
        raise RuntimeError("send_message works in the workers of a pool only: there is nobody to send to here")
    try:
        payload = codec.encode(message)
    except Exception as error:
        raise SerializationError(
            f"the message ({type(message).__name__}) cannot be pickled: {codec.describe(error)}"
        ) from error
    session.say(payload)
