"""Task functions that the pool adds while the worker runs.

They stand in the inbox ahead of all tasks, as a task of sequence 0 and of no name, so that they are
loaded between two tasks, and the tasks that need them find them.
"""

from __future__ import annotations

from poolifier.wire import codec, messages
from poolifier.wire.remote_errors import encode_error
from poolifier.wire.scripts import namespaces
from poolifier.worker.ledger import LOADING
from poolifier.worker.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["load_function"]


def load_function(session: Session, task: tuple[Any, ...]) -> None:
    """Loads a function and tells the pool how that went, whatever importing it does."""
    key, payload, operations = task[2]
    if operations:
        namespaces.define(operations)
    if key is None:
        return
    # Importing takes its time, and nobody is to wait for results because of it.
    session.flush()
    failure = None
    slots = session.ledger.slots
    # Should it be the end of this worker, the pool knows what of.
    slots[LOADING] = 1
    try:
        session.registry.add(key, codec.decode(payload))
    except BaseException as error:  # noqa: BLE001 - also SystemExit: the pool is told why it is not here
        failure = encode_error(error)
    slots[LOADING] = 0
    session.link.send(messages.message(messages.FUNCTION_ADDED, (key, failure)))
