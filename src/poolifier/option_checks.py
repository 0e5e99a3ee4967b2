"""Checks of single options: each names the argument, the value and what is allowed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from poolifier.suggestions import did_you_mean
from poolifier.task_functions import check_number

EnumT = TypeVar("EnumT", bound=StrEnum)


def check_duration(name: str, value: object) -> float:
    """Returns `value` as a float, or raises where it is negative or no number."""
    number = check_number(name, value)
    if number < 0:
        raise ValueError(f"{name} must not be negative, got {value!r}")
    return number


def check_count(name: str, value: object, least: int) -> int:
    """Returns `value`, or raises where it is no integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer of at least {least}, not {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")
    return value


def check_pool_name(value: object) -> str:
    """Returns the name of a pool, or raises where it is no string, or an empty one."""
    if not isinstance(value, str):
        raise TypeError(f"name must be a string that is not empty, or None, not {value!r}")
    if not value:
        raise ValueError("name must not be empty, got ''; leave it out for one that tells the kind of pool")
    return value


def check_flag(name: str, value: object) -> None:
    """Raises where `value` is no bool."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r}")


def member(name: str, members: type[EnumT], value: object) -> EnumT:
    """Returns the member of the enumeration that `value` names, in whatever case."""
    allowed = ", ".join(repr(member.value) for member in members)
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {allowed}, not {value!r}")
    try:
        return members(value.lower())
    except ValueError:
        near = did_you_mean(value, members)
        raise ValueError(f"{name} must be one of {allowed}, not {value!r}{near}") from None


def checked_weights(weights: object) -> dict[int, float]:
    """Returns the weights of slots, in milliseconds."""
    if not isinstance(weights, Mapping):
        raise TypeError(f"weights must map slots to milliseconds, not {weights!r}")
    checked = {}
    for slot, weight in weights.items():
        check_count("weights: a slot", slot, 0)
        checked[slot] = check_number(f"weights[{slot}]", weight)
        if not 0 < checked[slot] < math.inf:
            raise ValueError(f"weights[{slot}] must be above 0 and finite, not {weight!r}")
    return checked


def checked_restart_limit(limit: object) -> tuple[int, float] | None:
    """Returns how many starts may fail, and for how many seconds; None for as many, and as long, as it takes."""
    if limit is None:
        return None
    if not isinstance(limit, Sequence) or isinstance(limit, str) or len(limit) != 2:
        raise TypeError(f"restart_limit must be a pair (restarts, seconds), not {limit!r}; or None for no limit")
    count = check_count("restart_limit: the number of restarts", limit[0], 0)
    seconds = check_number("restart_limit: the seconds", limit[1])
    if not seconds > 0:
        raise ValueError(f"restart_limit: the seconds must be above 0, not {limit[1]!r}")
    return count, seconds


def checked_env(env: object) -> dict[str, str | None] | None:
    """Returns what the environment of workers is to be changed by."""
    if env is None:
        return None
    if not isinstance(env, Mapping):
        raise TypeError(f"env must be a mapping of strings or None, not {env!r}")
    for name, value in env.items():
        if not isinstance(name, str) or not (value is None or isinstance(value, str)):
            raise TypeError(f"env must map strings to strings (or None, to remove one), not {name!r}: {value!r}")
        if not name or "=" in name or "\0" in name or "\0" in (value or ""):
            raise ValueError(f"env must have proper variable names and values, not {name!r}: {value!r}")
    return dict(env)


def checked_executable(executable: object) -> str | None:
    """Returns the path of a program, as text."""
    if executable is None:
        return None
    if not isinstance(executable, str | os.PathLike):
        raise TypeError(f"executable must be the path of a Python or None, not {executable!r}")
    path = os.fspath(executable)
    if not isinstance(path, str):
        raise TypeError(f"executable must be a path as str, not {executable!r}")
    if not path or "\0" in path:
        raise ValueError(f"executable must be the path of a Python, not {executable!r}")
    return path


def checked_affinity(cpus: object) -> tuple[tuple[int, ...], ...] | None:
    """Returns the CPUs for each slot; one entry is for all of them."""
    if cpus is None:
        return None
    if isinstance(cpus, str | bytes) or not isinstance(cpus, Iterable):
        raise TypeError(f"cpu_affinity must be CPU numbers, or CPU numbers per slot, not {cpus!r}")
    given = list(cpus)
    if not given:
        raise ValueError("cpu_affinity must name at least one CPU, got none; leave it out for all")
    if any(isinstance(entry, Iterable) for entry in given):
        return tuple(_checked_cpus(entry) for entry in given)
    return (_checked_cpus(given),)


def _checked_cpus(cpus: object) -> tuple[int, ...]:
    if isinstance(cpus, str | bytes) or not isinstance(cpus, Iterable):
        raise TypeError(f"cpu_affinity must be CPU numbers, or CPU numbers per slot, not {cpus!r}")
    checked = tuple(check_count("cpu_affinity: a CPU", cpu, 0) for cpu in cpus)
    if not checked:
        raise ValueError("cpu_affinity must name at least one CPU for each slot")
    return checked
