"""How a `type` statement travels: as one, for what it names may refer to it, and to its type parameters."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from poolifier.wire.scripts.pickler import Pickler

__all__ = ["fill_alias", "make_alias", "reduce", "type_parameter"]

_PREFIXES: Final = {"TypeVar": "", "TypeVarTuple": "*", "ParamSpec": "**"}
_SPACES: dict[int, tuple[Any, dict[str, Any]]] = {}
"""Of aliases that have been made and not filled, the globals of their statements."""


def reduce(pickler: Pickler, alias: Any) -> tuple[Any, ...] | None:
    """An alias by value, or None if no statement can say it."""
    parameters: list[str] = []
    parts: dict[int, Any] = {}
    values: dict[str, Any] = {}
    if not alias.__name__.isidentifier():
        return None
    for number, each in enumerate(alias.__type_params__):
        prefix = _PREFIXES.get(type(each).__name__)
        if prefix is None:
            return None
        text = prefix + each.__name__
        bound = getattr(each, "__constraints__", ()) or getattr(each, "__bound__", None)
        if bound is not None and not prefix:
            # The tuple of constraints is to be one in the text.
            names = [f"bound{number}_{at}" for at in range(len(bound))] if isinstance(bound, tuple) else []
            values.update(zip(names, bound, strict=True) if names else [(f"bound{number}", bound)])
            text += f": ({', '.join(names)})" if names else f": bound{number}"
        if hasattr(each, "has_default") and each.has_default():
            values[f"default{number}"] = each.__default__
            text += f" = default{number}"
        parameters.append(text)
        parts[id(each)] = (each, (type_parameter, (alias, number)))
    if parts:
        pickler.parts = {**pickler.parts, **parts}
    try:
        values["value"] = alias.__value__
    except NameError as error:
        # It says so here as well, to whoever asks.
        values["missing"] = str(error)
    arguments = (alias.__name__, alias.__module__, tuple(parameters))
    return make_alias, arguments, values, None, None, fill_alias


def make_alias(name: str, module: str, parameters: tuple[str, ...]) -> Any:
    """An alias, yet without what it stands for."""
    space: dict[str, Any] = {"__name__": module, "get_value": lambda: _value(space)}
    brackets = f"[{', '.join(parameters)}]" if parameters else ""
    exec(f"type {name}{brackets} = get_value()", space)
    alias = space[name]
    _SPACES[id(alias)] = (alias, space)
    return alias


def fill_alias(alias: Any, values: dict[str, Any]) -> None:
    """Sets what it stands for, and what its parameters are bound to."""
    _, space = _SPACES.pop(id(alias))
    space.update(values)


def type_parameter(alias: Any, number: int) -> Any:
    """A type parameter of an alias."""
    return alias.__type_params__[number]


def _value(space: dict[str, Any]) -> Any:
    if "missing" in space:
        raise NameError(space["missing"])
    return space["value"]
