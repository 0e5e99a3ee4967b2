"""Runs in the program of a script: runs its cases on executors and pools, and tells what came of each.

What came is text, as `describe` has it: the value with the types of all its parts, whether those are the program's own,
and which parts are one and the same object; or the error in the same way.
"""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import enum
import json
import multiprocessing
import pickle
import re
import sys
import traceback
import types

ATOMS = (type(None), bool, int, float, complex, str, bytes, type(...), range)
EXECUTORS = ("spawn", "futures", "futures-spawn", "futures-interpreter", "futures-thread")


@dataclasses.dataclass
class Case:
    """A call of a task function.

    Attributes:
        name: The construct's, then the way in which it is used.
        function: The task function.
        args: What it is called with.
        of_a_copy: What comes, if a global, default or cell is a copy that pickle made: spawn runs the script again
            and pickles none of these, here they travel by value.
    """

    name: str
    function: object
    args: tuple
    of_a_copy: object = None


def describe(value):
    """A value as text that is equal where values are alike."""
    return _Describer().text(value)


def describe_error(error):
    """An error in the same way."""
    return _Describer().error(error)


class _Describer:
    def __init__(self):
        self.seen = {}

    def text(self, value):
        kind = type(value)
        if kind is bytes and value.startswith((b"\x80\x04", b"\x80\x05")):
            return "a pickle"
        if kind in ATOMS:
            return _plain(repr(value))
        if id(value) in self.seen:
            return f"#{self.seen[id(value)][0]}"
        if kind in (tuple, list, set, frozenset, dict):
            return self.container(value, kind)
        self.seen[id(value)] = len(self.seen), value
        if isinstance(value, (type, types.FunctionType, types.ModuleType)) or kind.__name__ in (
            "TypeAliasType",
            "sentinel",
        ):
            return f"{kind.__name__} {_name(value)} ({_whose(value)})"
        if isinstance(value, enum.Enum):
            same = kind._value2member_map_.get(value._value_, value) is value if value._value_.__hash__ else True
            return f"{self.owner(kind)}.{value.name}{self.state(value)}{'' if same else ' (another)'}"
        if isinstance(value, BaseException):
            return self.error(value)
        if isinstance(value, (types.MethodType, types.BuiltinMethodType)):
            return f"method {value.__name__} of {self.text(value.__self__)}"
        return f"{self.owner(kind)}{self.parts(value)}{self.state(value)}"

    def container(self, value, kind):
        if kind is not tuple:
            self.seen[id(value)] = len(self.seen), value
        if kind is dict:
            return "{" + ", ".join(f"{self.text(key)}: {self.text(one)}" for key, one in value.items()) + "}"
        parts = [self.text(one) for one in value]
        return f"{kind.__name__}({', '.join(sorted(parts) if kind in (set, frozenset) else parts)})"

    def parts(self, value):
        """What a subclass of a built-in type holds besides its attributes."""
        for base in (dict, list, tuple, set, frozenset):
            if isinstance(value, base):
                plain = base.items(value) if base is dict else base.__iter__(value)
                found = [self.text(one) for one in plain]
                return f"[{', '.join(sorted(found) if base in (set, frozenset) else found)}]"
        for base in (int, float, complex, str, bytes, bytearray):
            if isinstance(value, base):
                return f"[{base.__repr__(value)}]"
        return "" if _in_script(type(value)) else f"[{_plain(repr(value))}]"

    def state(self, value):
        state = {}
        for cls in reversed(type(value).__mro__):
            slots = cls.__dict__.get("__slots__", ())
            for slot in [slots] if isinstance(slots, str) else slots:
                name = (
                    f"_{cls.__name__.lstrip('_')}{slot}" if slot.startswith("__") and not slot.endswith("__") else slot
                )
                if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                    state[name] = getattr(value, name)
        try:
            state.update(object.__getattribute__(value, "__dict__"))
        except AttributeError:
            state[""] = "no dict"
        if isinstance(value, enum.Enum):
            state = {name: one for name, one in state.items() if not name.startswith("_")}
        if not _in_script(type(value)) and not isinstance(value, BaseException):
            return ""
        return "{" + ", ".join(f"{name}={self.text(one)}" for name, one in sorted(state.items())) + "}"

    def owner(self, kind):
        return f"{_name(kind)} ({_whose(kind)})"

    def error(self, error):
        kind = type(error)
        if kind in (AttributeError, NameError) and not _in_script(kind):
            # Their attributes are lost by pickle, differently by version.
            return f"{kind.__name__}{self.container(error.args, tuple)}"
        parts = [self.owner(kind), self.container(error.args, tuple)]
        if isinstance(error, BaseExceptionGroup):
            parts += [self.text(list(error.exceptions))]
        state = {
            key: one for key, one in getattr(error, "__dict__", {}).items() if key not in ("__notes__", "_poolifier")
        }
        state |= {name: getattr(error, name) for name in getattr(kind, "__slots__", ()) if hasattr(error, name)}
        notes = list(getattr(error, "__notes__", ()))
        return f"{' '.join(parts)} {self.text(state)} {notes}"


def _plain(text):
    """Without addresses, and with the script's name alike in all processes."""
    return re.sub(r" at 0x[0-9a-f]+", "", text).replace("__mp_main__", "__main__")


def _name(value):
    return getattr(value, "__qualname__", None) or getattr(value, "__name__", "?")


def _module(value):
    return getattr(value, "__module__", None) or "?"


def _in_script(kind):
    return _module(kind) in ("__main__", "__mp_main__")


def _whose(value):
    """Whether it is what this program knows by this name."""
    if isinstance(value, types.ModuleType):
        return "own" if sys.modules.get(value.__name__) is value else "other"
    found = sys.modules.get(_module(value))
    for part in _name(value).split("."):
        if part == "<locals>":
            return "local"
        found = getattr(found, part, None)
    return "own" if found is value else "renamed" if _in_script(value) else "other"


def can_be_pickled(values):
    """Those that a standard pickle carries: one that it does not would end the initializer, and all of the workers."""
    carried = {}
    for name, value in values.items():
        with contextlib.suppress(Exception):
            pickle.loads(pickle.dumps(value))
            carried[name] = value
    return carried


def of_a_copy(use, value):
    """What comes of a value after pickle has made it anew."""
    return use(pickle.loads(pickle.dumps(value)))


def main(cases, initializer, initargs, kinds):
    """Prints a line of JSON per kind: what came of each case, by its name."""
    print(json.dumps({"program": sys.argv}), flush=True)
    for kind in kinds:
        print(f"{kind}...", flush=True)
        try:
            found = outcomes(kind, cases, initializer, initargs)
        except BaseException as error:
            # All of them: what ended it follows.
            traceback.print_exc()
            found = dict.fromkeys((case.name for case in cases), f"not begun: {failed(error)}")
        print(json.dumps({"kind": kind, "outcomes": found}), flush=True)


def outcomes(kind, cases, initializer, initargs):
    if kind == "here":
        initializer(*initargs)
        found = {case.name: outcome(case.function, *case.args) for case in cases}
        return found | {f"{case.name}, of a copy": outcome(case.of_a_copy) for case in cases if case.of_a_copy}
    if kind in EXECUTORS:
        return in_executor(kind, cases, initializer, initargs)
    return asyncio.run(in_pools(kind, cases, initializer, initargs))


def in_executor(kind, cases, initializer, initargs):
    """Each case by `submit`. One that cannot be unpickled ends the standard library's workers for good: others follow."""
    found, left = {}, list(cases)
    while left:
        with executor(kind, initializer, initargs) as workers:
            while left:
                case = left.pop(0)
                found[case.name] = outcome(lambda case=case: workers.submit(case.function, *case.args).result())
                if kind == "spawn" and "BrokenProcessPool" in found[case.name]:
                    found[case.name] = "cannot travel: and breaks the pool"
                    break
    return found


def outcome(function, *args):
    try:
        return describe(function(*args))
    except BaseException as error:
        return failed(error)


def failed(error):
    what = describe_error(error)
    if type(error).__name__ in ("PicklingError", "SerializationError", "UnpicklableCallError", "UnreadableCallError"):
        return f"cannot travel: {what}"
    if isinstance(error, (TypeError, AttributeError)) and re.search(r"pickle|^Can't get local", str(error)):
        return f"cannot travel: {what}"
    return f"raised: {what}"


def executor(kind, initializer, initargs):
    if kind == "spawn":
        context = multiprocessing.get_context("spawn")
        return concurrent.futures.ProcessPoolExecutor(1, context, initializer, initargs)
    from poolifier import futures

    if kind == "futures-spawn":
        return futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer, initargs)
    if kind == "futures":
        return futures.ProcessPoolExecutor(1, None, initializer, initargs)
    if kind == "futures-thread":
        return futures.ThreadPoolExecutor(1, "", initializer, initargs)
    return futures.InterpreterPoolExecutor(1, "", initializer, initargs)


def pool_of(kind, functions, initializer, initargs):
    import poolifier

    options = {"initializer": initializer, "initargs": initargs}
    if kind in ("fork_server", "process-spawn"):
        options["start_method"] = "spawn" if kind == "process-spawn" else "fork_server"
        return poolifier.FixedProcessPool(1, functions, **options)
    cls = {
        "interpreter": poolifier.FixedInterpreterPool,
        "thread": poolifier.FixedThreadPool,
        "ray": poolifier.FixedRayPool,
    }[kind]
    return cls(1, functions, **options)


async def in_pools(kind, cases, initializer, initargs):
    """Each case by a function that is added to a pool, then by one that the pool was made with, alone and in a map."""
    found = {}
    async with pool_of(kind, len, initializer, initargs) as pool:
        for case in cases:
            found[case.name] = await added(pool, case)
    # One that cannot travel would end them all: it has been told of already.
    registered = [case for case in cases if not found[case.name].startswith("cannot travel")]
    async with pool_of(kind, {case.name: case.function for case in registered}, initializer, initargs) as pool:
        for case in registered:
            found[f"{case.name} of the constructor"] = await by_name(pool, case)
        for case in registered:
            if case.args:
                found[f"{case.name} in a map"] = await in_a_map(pool, case)
    return found


async def added(pool, case):
    try:
        await pool.add_task_function(case.name, case.function)
    except Exception as error:
        return failed(error)
    return await by_name(pool, case)


async def by_name(pool, case):
    try:
        return describe(await pool.execute(*case.args, name=case.name))
    except (Exception, SystemExit) as error:
        return failed(error)


async def in_a_map(pool, case):
    try:
        results = await pool.map_execute([case.args[0], case.args[0]], case.name)
        return describe(results[1])
    except (Exception, SystemExit) as error:
        return failed(error)
