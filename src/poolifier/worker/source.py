"""Where the task functions come from: an object, an import string or a Python file."""

from __future__ import annotations

import importlib
import os
import sys
from _thread import allocate_lock, get_ident
from collections.abc import Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType

from poolifier.origins import origin_of
from poolifier.task_functions import TaskFunction, Worker
from poolifier.wire.scripts import importable
from poolifier.worker.calls import initialize_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from poolifier.origins import Origin

__all__ = ["WorkerSource"]

_DEFAULT_ATTRIBUTE = "worker"

_MOST_OFFERED = 12
"""Names that an error lists of those in a module."""


class _Turn:
    """A lock that the thread which holds it may take again, because a module may load itself.

    Not `threading.RLock`: a module that has eventlet patch the standard library is loaded while this is held, and
    eventlet lets go of every `RLock` that it finds.
    """

    __slots__ = ("_depth", "_lock", "_owner")

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._owner = 0
        self._depth = 0

    def __enter__(self) -> None:
        me = get_ident()
        if self._owner != me:
            self._lock.acquire()
            self._owner = me
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = 0
            self._lock.release()


# By file. Importing by name has locks of its own, importing by path has none. One for each, for a module may wait
# for another that is loaded in another thread.
_loading: dict[str, _Turn] = {}


class WorkerSource:
    """What a pool was given for `worker`; made in the parent, loaded in each worker.

    Attributes:
        worker: The Worker, where the parent was given it as an object; else None.
        pool: The pool's name, for notes on errors; or empty.
    """

    __slots__ = ("_attribute", "_file", "_module", "pool", "worker")

    def __init__(
        self,
        worker: Worker | None = None,
        *,
        module: str = "",
        file: str = "",
        attribute: str = _DEFAULT_ATTRIBUTE,
        pool: str = "",
    ) -> None:
        self.worker: Worker | None = worker
        self.pool: str = pool
        self._module = module
        self._file = file
        self._attribute = attribute

    @classmethod
    def from_argument(cls, worker: object, pool: str = "") -> WorkerSource:
        """Reads the `worker` argument of the pool of that name. Imports nothing.

        Raises:
            TypeError: It is nothing that holds task functions.
            ValueError: It holds none, the file does not exist, or the string is neither file nor import string.
        """
        if not isinstance(worker, str | os.PathLike):
            return cls(_as_worker(worker), pool=pool)
        text = os.fspath(worker)
        if not isinstance(text, str):
            raise TypeError(f"worker must be a path as str, not {worker!r}")
        if not text.strip():
            raise ValueError(f"worker must name a Python file or a module, got {worker!r}")
        name, attribute = _split(text)
        if not isinstance(worker, str) or name.endswith(".py") or os.sep in name or "/" in name:
            path = os.path.abspath(name)  # noqa: PTH100 - workers import this module, and pathlib is slow to import
            if not os.path.isfile(path):  # noqa: PTH113
                raise ValueError(f"worker: there is no file {text!r} (looked for {path})")
            return cls(file=path, attribute=attribute, pool=pool)
        if not all(part.isidentifier() for part in name.split(".")):
            raise ValueError(
                f"worker must be a file such as 'workers.py' or an import string such as "
                f"'package.module:name', not {text!r}"
            )
        return cls(module=name, attribute=attribute, pool=pool)

    def load(self) -> Worker:
        """Returns the Worker, after importing what holds it.

        Raises:
            BaseException: What the import raised, with a note that names the argument and the pool.
            ValueError: The module holds no task functions under that name.
            TypeError: What it holds there is no worker.
        """
        if self.worker is not None:
            return self.worker
        try:
            return self._load()
        except BaseException as error:
            given = f"{self._file or self._module}:{self._attribute}".removesuffix(f":{_DEFAULT_ATTRIBUTE}")
            self._note(error, f"loaded worker={given!r}")
            raise

    def initialize(self, initializer: Callable[..., object] | None, initargs: Iterable[Any]) -> None:
        """Runs the pool's `initializer`, if it has one.

        Raises:
            BaseException: What that raised, with a note that names the argument and the pool.
        """
        if initializer is None:
            return
        try:
            initializer(*initargs)
        except BaseException as error:
            # What an executor was given is the first argument of what stands for it in threads.
            stands_for = next(iter(initargs), None) if initializer is initialize_thread else initializer
            name = getattr(stands_for, "__qualname__", None)
            given = name if isinstance(name, str) else type(stands_for).__qualname__
            self._note(error, f"ran initializer={given}")
            raise

    def _load(self) -> Worker:
        if self._file:
            with _loading.setdefault(self._file, _Turn()):
                module = _load_file(self._file)
        else:
            module = importlib.import_module(self._module)
        found: Any = module
        for part in self._attribute.split("."):
            try:
                found = getattr(found, part)
            except AttributeError:
                raise ValueError(
                    f"a worker module without task functions: {self._file or self._module} "
                    f"has no attribute {self._attribute!r}{_offer(self._file or self._module, module, self._attribute)}"
                ) from None
        return _as_worker(found)

    def _note(self, error: BaseException, what: str) -> None:
        if not self.pool:
            return
        text = f"raised while a worker of pool {self.pool!r} {what}"
        try:
            if text not in getattr(error, "__notes__", ()):
                # One that is raised again and again may be always the same.
                BaseException.add_note(error, text)
        except Exception:  # noqa: BLE001 - its class may have a say in that, and the error itself says more
            return

    def origins(self, worker: Worker) -> tuple[Origin | None, ...]:
        """Where the functions of the loaded Worker are defined, the default one first, if the parent cannot know."""
        if self.worker is not None:
            return ()
        functions = worker.task_functions
        return tuple(origin_of(functions[each.name].function) for each in worker.list_task_functions_properties())

    def __repr__(self) -> str:
        if self.worker is not None:
            return f"<WorkerSource {', '.join(self.worker.task_functions)}>"
        return f"<WorkerSource {self._file or self._module}:{self._attribute}>"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.worker, self._module, self._file, self._attribute, self.pool))


def _as_worker(declared: object) -> Worker:
    """Reads what a user may give for `worker` once it is an object: a Worker, callable or mapping.

    Raises:
        TypeError: It is none of these.
        ValueError: It holds no task function.
    """
    if isinstance(declared, Worker):
        worker = declared
    elif isinstance(declared, Mapping) and not declared:
        worker = Worker()
    elif isinstance(declared, Mapping | TaskFunction) or callable(declared):
        try:
            worker = Worker(declared)
        except (TypeError, ValueError) as error:
            # Said in the words of a `Worker`, whose arguments the caller has never seen.
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"worker: {error}") from None
    else:
        raise TypeError(
            "worker must be a Worker, a callable, a mapping of names to callables, a file or an import string, "
            f"not {declared!r}"
        )
    if worker.default_task_function is None:
        raise ValueError(f"worker must hold at least one task function; {declared!r} holds none")
    return worker


def _offer(source: str, module: ModuleType, wanted: str) -> str:
    """What might have been meant: one who has a single function in a file seldom thinks of calling it `worker`."""
    # Only after an error, and workers are to start light.
    from difflib import get_close_matches

    functions = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, Worker | TaskFunction | FunctionType | BuiltinFunctionType) and not name.startswith("_")
    }
    # What is imported there may be meant, but is not worth a list.
    close = get_close_matches(wanted, functions, cutoff=0.8)
    own = [
        name
        for name, value in functions.items()
        if isinstance(value, Worker | TaskFunction) or value.__module__ == module.__name__
    ]
    more = len(own) - _MOST_OFFERED
    offered = f"; it has {', '.join(own[:_MOST_OFFERED])}{f' and {more} more' if more > 0 else ''}" if own else ""
    if close:
        return f"{offered}; did you mean {' or '.join(repr(f'{source}:{name}') for name in close)}?"
    return f"{offered}: name one as in {f'{source}:{own[0]}'!r}" if own else ""


def _rebuild(worker: Worker | None, module: str, file: str, attribute: str, pool: str) -> WorkerSource:
    return WorkerSource(worker, module=module, file=file, attribute=attribute, pool=pool)


def _split(text: str) -> tuple[str, str]:
    name, colon, attribute = text.rpartition(":")
    if not colon or os.sep in attribute or "/" in attribute:
        return text, _DEFAULT_ATTRIBUTE
    if not name or not all(part.isidentifier() for part in attribute.split(".")):
        raise ValueError(f"worker must have the name of an attribute after its colon, not {text!r}")
    return name, attribute


def _load_file(path: str) -> ModuleType:
    import importlib.util

    stem = os.path.splitext(os.path.basename(path))[0]  # noqa: PTH119, PTH122
    for name in dict.fromkeys([stem, *_importable_names(path)] if stem.isidentifier() else []):
        loaded = sys.modules.get(name)
        if loaded is not None:
            if _same_file(getattr(loaded, "__file__", None), path):
                return loaded
            continue
        try:
            found = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            continue
        if found is not None and _same_file(found.origin, path):
            # By the name that the parent imports it by, for then its classes are the same there.
            return importlib.import_module(name)
    taken = stem in sys.modules or (stem.isidentifier() and importlib.util.find_spec(stem) is not None)
    name = stem if stem.isidentifier() and not taken else f"poolifier_worker:{path}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"worker: {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    importable.carry(name)
    return module


def _importable_names(path: str) -> list[str]:
    """The dotted names that a file may have by where it lies below `sys.path`, the shortest first."""
    names: list[str] = []
    for entry in sys.path:
        below = os.path.relpath(path, entry or os.curdir)
        parts = os.path.splitext(below)[0].split(os.sep)  # noqa: PTH122, PTH206
        if all(part.isidentifier() for part in parts):
            names.append(".".join(parts))
    return sorted(dict.fromkeys(names), key=len)


def _same_file(origin: str | None, path: str) -> bool:
    try:
        return origin is not None and os.path.samefile(origin, path)  # noqa: PTH121
    except OSError:
        return False
