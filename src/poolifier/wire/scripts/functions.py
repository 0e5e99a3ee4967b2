"""How a function travels by value: its code as it is, with file and lines, and its globals by their names."""

from __future__ import annotations

import builtins
import marshal
import re
import sys
from contextlib import suppress
from functools import partial
from types import CellType, CodeType, FunctionType, ModuleType

from poolifier.wire.scripts import importable, namespaces, rebuild
from poolifier.wire.scripts.global_names import global_names, submodules
from poolifier.wire.scripts.reduced import Reduced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from poolifier.wire.scripts.pickler import Pickler

__all__ = ["cell", "code", "globals_for", "names_in_text", "packed_code", "parts", "reduce"]

_LAZY: Final = sys.version_info >= (3, 14)
"""Annotations are evaluated when they are asked for."""

_ALL: Final = frozenset({"globals", "vars", "eval", "exec", "dir"})
"""A function that uses one of these may want any global, by a name that stands in a text."""

_OF_THE_MODULE: Final = frozenset(
    {
        "__name__",
        "__builtins__",
        "__spec__",
        "__loader__",
        "__package__",
        "__cached__",
        "__debug__",
        "__file__",
        "__doc__",
    }
)
_CODE: Final = (
    "co_argcount",
    "co_posonlyargcount",
    "co_kwonlyargcount",
    "co_nlocals",
    "co_stacksize",
    "co_flags",
    "co_code",
    "co_consts",
    "co_names",
    "co_varnames",
    "co_filename",
    "co_name",
    "co_qualname",
    "co_firstlineno",
    "co_linetable",
    "co_exceptiontable",
    "co_freevars",
    "co_cellvars",
)
_NAME: Final = re.compile(r"[^\W\d]\w*")
_BUILTINS: Final = frozenset(dir(builtins)) | {"__name__"}
_EMPTY: Final[dict[str, Any]] = {}


def reduce(pickler: Pickler, function: FunctionType, *, optional: bool = False) -> tuple[Any, ...]:
    """A function by value; `optional` if nobody may ever need what it names."""
    home = pickler.home if pickler.whole is function else pickler.part_home(function)
    space, values, uses = globals_for(pickler, function, optional=optional)
    code = function.__code__
    if pickler.definitions is not None:
        pickler.definitions.add_source(code.co_filename, function.__globals__)
    arguments = (packed_code(code), space, home, _closure(pickler, function), uses, _imports(function, uses))
    state = (_slots(pickler, function), {k: pickler.shared(v) for k, v in function.__dict__.items()}, values)
    return rebuild.make_function, arguments, state, None, None, rebuild.fill_function


def cell(pickler: Pickler, each: CellType) -> tuple[Any, ...]:
    """A cell of a closure: by a number if what it holds may be sent again, else with what it holds."""
    part = pickler.parts.get(id(each))
    if part is not None and part[0] is each:
        return part[1]
    if pickler.definitions is not None and pickler.lasting and not pickler.is_named_class:
        number = pickler.definitions.require_cell(each)
        return namespaces.cell, (number,)
    return _with_contents(pickler, each)


def parts(function: FunctionType) -> list[tuple[str, Any]]:
    """What belongs to a function besides its globals, with the name that each has there."""
    found: list[tuple[str, Any]] = []
    for name, each in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):
            found.append((name, each.cell_contents))
    found += zip(_names_of_defaults(function), function.__defaults__ or (), strict=True)
    found += (function.__kwdefaults__ or {}).items()
    found += function.__dict__.items()
    return found


def _closure(pickler: Pickler, function: FunctionType) -> tuple[Any, ...] | None:
    if function.__closure__ is None:
        return None
    definitions = pickler.definitions if pickler.lasting and not pickler.is_named_class else None
    found: list[Any] = []
    for name, each in zip(function.__code__.co_freevars, function.__closure__, strict=True):
        if name == "__class__":
            # That of `super()`, which belongs to one class and to nothing else.
            found.append(pickler.stand_in(each, partial(_with_contents, pickler, each)))
            continue
        if name == "__classdict__":
            found.append(pickler.stand_in(each, partial(_class_dictionary, pickler, each)))
            continue
        if definitions is not None:
            # Before the pickle gets to it, for here it is known what to call it.
            definitions.require_cell(each, name, function.__qualname__)
        found.append(each)
    return tuple(found)


def _class_dictionary(pickler: Pickler, each: CellType) -> tuple[Any, ...]:
    part = pickler.parts.get(id(each))
    return part[1] if part is not None and part[0] is each else (rebuild.class_dict_cell, (None,))


def _names_of_defaults(function: FunctionType) -> tuple[str, ...]:
    code, count = function.__code__, len(function.__defaults__ or ())
    # One may have been given other defaults than its code has parameters.
    names = code.co_varnames[: code.co_argcount][code.co_argcount - count :] if count <= code.co_argcount else ()
    return names if len(names) == count else ("a default",) * count


def code(pickler: Pickler, each: CodeType) -> Any:  # noqa: ARG001
    """A code object by itself."""
    packed = packed_code(each)
    return (marshal.loads, (packed,)) if isinstance(packed, bytes) else packed.__reduce__()


def packed_code(each: CodeType) -> Any:
    """A code object as it travels within other things."""
    try:
        return marshal.dumps(each)
    except ValueError:  # constants that no compiler has put there
        return Reduced((rebuild.make_code, tuple(getattr(each, name) for name in _CODE)))


def _space_of(function: FunctionType) -> str | None:
    """Names the dictionary that a function has for its globals; None for one that no module has."""
    space = function.__globals__
    name = space.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    if not isinstance(name, str) or module is None:
        return None
    # A child of multiprocessing has a copy of the dictionary that its main module's functions have.
    if module.__dict__ is not space and name != "__mp_main__":
        return None
    if importable.is_script(name):
        return "__main__" if name == "__mp_main__" else name
    return f"module:{name}"


def _with_contents(pickler: Pickler, each: CellType) -> tuple[Any, ...]:
    try:
        contents = each.cell_contents
    except ValueError:
        return rebuild.local_cell, ()
    return rebuild.local_cell, (), (pickler.shared(contents),), None, None, rebuild.fill_cell


def globals_for(
    pickler: Pickler, function: FunctionType, *, optional: bool
) -> tuple[Any, dict[str, Any], tuple[str, ...]]:
    """The namespace, the values that go along, and the names that it is to have besides."""
    space = _space_of(function)
    there = function.__globals__
    named = global_names(function.__code__)
    if space is not None and space.startswith("module:"):
        # The worker's own module, which is not imported for a function that needs nothing of it.
        return (space if any(name not in _BUILTINS for name in named) else f"blank:{space[7:]}"), _EMPTY, ()
    names = [name for name in named if name in there and name not in _OF_THE_MODULE]
    if space is None:
        made = pickler.stand_in(there, lambda: (rebuild.new_globals, (str(there.get("__name__")),)))
        return made, {name: there[name] for name in names}, ()
    definitions = pickler.definitions
    everything = ("*",) if not _ALL.isdisjoint(named) else ()
    if definitions is None:
        if namespaces.is_namespace(space):
            # The pool's own: it has them.
            return space, _EMPTY, ()
        return space, {name: there[name] for name in names}, ()
    if optional:
        names = [*names, *_names_in(there, _texts_of(function.__code__))]
        names = [name for name in dict.fromkeys(names) if definitions.offers(space, there, name)]
    else:
        for name in names:
            definitions.require_at(space, name, there, by=function.__qualname__)
    if not _LAZY or function.__annotate__ is None:  # type: ignore[attr-defined]
        names += names_in_text(pickler, space, there, function.__annotations__)
    return space, _EMPTY, (*names, *everything)


def names_in_text(pickler: Pickler, space: str, there: dict[str, Any], annotations: Any) -> list[str]:
    """The globals that annotations may name which are texts, or forward references: whoever evaluates them looks there.

    That is library code, such as `typing.get_type_hints`, so that nothing of the script says so.
    """
    definitions = pickler.definitions
    if definitions is None or not annotations:
        return []
    texts: list[str] = []
    for each in annotations.values():
        if isinstance(each, str):
            texts.append(each)
        elif type(each).__module__ in ("typing", "types", "annotationlib"):
            texts.append(repr(each))
    return [name for name in _names_in(there, texts) if definitions.offers(space, there, name)]


def _names_in(there: dict[str, Any], texts: list[str]) -> list[str]:
    found = dict.fromkeys(name for text in texts for name in _NAME.findall(text))
    return [name for name in found if name in there and name not in _OF_THE_MODULE]


def _texts_of(code: CodeType) -> list[str]:
    """The texts among the constants of what evaluates annotations."""
    return [constant for constant in code.co_consts if isinstance(constant, str)]


def _imports(function: FunctionType, uses: tuple[str, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for name in uses:
        value = function.__globals__.get(name)
        if isinstance(value, ModuleType) and hasattr(value, "__path__"):
            found += submodules(function.__code__, value.__name__)
    return tuple(found)


def _slots(pickler: Pickler, function: FunctionType) -> dict[str, Any]:
    code = function.__code__
    slots: dict[str, Any] = {"__module__": function.__module__}
    for name, value in (("__name__", code.co_name), ("__qualname__", code.co_qualname)):
        if getattr(function, name) != value:
            slots[name] = getattr(function, name)
    if function.__defaults__:
        slots["__defaults__"] = tuple(
            pickler.shared(value, f"{function.__qualname__}({name}=...)")
            for name, value in zip(_names_of_defaults(function), function.__defaults__, strict=True)
        )
    if function.__kwdefaults__:
        slots["__kwdefaults__"] = {
            name: pickler.shared(value, f"{function.__qualname__}({name}=...)")
            for name, value in function.__kwdefaults__.items()
        }
    consts = code.co_consts
    if function.__doc__ is not None and not (consts and consts[0] == function.__doc__):
        slots["__doc__"] = function.__doc__
    if getattr(function, "__type_params__", ()):
        slots["__type_params__"] = function.__type_params__  # type: ignore[attr-defined]
    if not _LAZY:
        if function.__annotations__:
            slots["__annotations__"] = function.__annotations__
        return slots
    annotate = function.__annotate__  # type: ignore[attr-defined]
    if annotate is None:
        if function.__annotations__:
            slots["__annotations__"] = function.__annotations__
    elif type(annotate) is FunctionType:
        slots["__annotate__"] = pickler.stand_in(annotate, lambda: reduce(pickler, annotate, optional=True))
    return slots
