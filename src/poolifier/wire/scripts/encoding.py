"""How data and results are pickled that refer to what a script defines."""

from __future__ import annotations

import pickle
import sys
from io import BytesIO

from poolifier.errors import SerializationError
from poolifier.wire import multiprocessing_reducers
from poolifier.wire.codec import Kept, NeedsPoolError, needs_scripts
from poolifier.wire.scripts import namespaces
from poolifier.wire.scripts.active import active
from poolifier.wire.scripts.learned import Learned, Repeating
from poolifier.wire.scripts.pickler import Pickler, is_known

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = ["dumps_again", "dumps_lasting", "dumps_with", "learn_names"]

# Of pickles that are made for no pool: in a worker, say.
_learned = Learned()

namespaces.on_change.append(_learned.forget)


def dumps_with(
    value: Any,
    keep: Callable[[pickle.PickleBuffer], object] | None = None,
    reducers: Mapping[type, Callable[[Any], Any]] | None = None,
    *,
    lasting: bool = False,
) -> bytes:
    """Pickles a value for the other side, certain types of it as given."""
    if not lasting and not reducers:
        repeated = dumps_again(value, keep)
        if repeated is not None:
            return repeated
    given = reducers or {}
    try:
        return _dump(value, keep, {**multiprocessing_reducers.reducers(), **given}, lasting)
    except SerializationError:
        raise
    except (TypeError, AttributeError, pickle.PicklingError):
        from poolifier.wire.scripts.values import more_reducers

        if isinstance(keep, Kept):
            keep.buffers.clear()
        loaded = multiprocessing_reducers.reducers(load=True)
        return _dump(value, keep, {**more_reducers(), **loaded, **given}, lasting)


def dumps_again(value: Any, keep: Callable[[pickle.PickleBuffer], object] | None = None) -> bytes | None:
    """Pickles a value of data that is made of what has been pickled before; None if it is not."""
    definitions = active.definitions
    file = BytesIO()
    try:
        Repeating(file, keep, _learned if definitions is None else definitions.learned).dump(value)
    except NeedsPoolError:
        raise
    except Exception:  # noqa: BLE001 - something is new, or a name leads to something else than before
        if isinstance(keep, Kept):
            keep.buffers.clear()
        return None
    return file.getvalue()


def learn_names(found: list[bytes], names: dict[bytes, str | None]) -> bool:
    """Takes down names of globals that the other side has, see `codec`: the script's as None, others as the first part.

    Returns False where one cannot be.
    """
    definitions = active.definitions
    script = sys.modules["__main__"].__dict__
    learned: dict[bytes, str | None] = {}
    for name in found:
        if not name or name[0] != len(name) - 1:
            return False
        top = name[1:].decode("utf-8", "replace").partition(".")[0]
        if is_known("__main__", top) if definitions is None else definitions.has("__main__", top):
            learned[name] = None
        elif top in script:
            return False
        else:
            learned[name] = top
    names.update(learned)
    return True


def dumps_lasting(value: Any, reducers: Mapping[type, Callable[[Any], Any]] | None = None) -> bytes:
    """Pickles what a worker has for as long as it lives: what its closures refer to is sent again when it changes."""
    if reducers:
        return dumps_with(value, None, reducers, lasting=True)
    try:
        payload = pickle.dumps(value, 5)
    except Exception:  # noqa: BLE001 - there may be another way; if not, that says why
        return dumps_with(value, lasting=True)
    # Of a method, whose name may not be what it is found by.
    needed = needs_scripts(payload) or b"getattr" in payload
    return dumps_with(value, lasting=True) if needed else payload


def _dump(
    value: Any,
    keep: Callable[[pickle.PickleBuffer], object] | None,
    reducers: Mapping[type, Callable[[Any], Any]] | None,
    lasting: bool,
) -> bytes:
    file = BytesIO()
    pickler = Pickler(file, 5, buffer_callback=keep)
    pickler.definitions = active.definitions
    pickler.extra = reducers
    pickler.lasting = lasting
    if not lasting:
        pickler.learned = _learned if active.definitions is None else active.definitions.learned
    return pickler.dump_to(file, value)
