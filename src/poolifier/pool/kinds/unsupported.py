"""What a kind of worker cannot do though others can: one table, which the constructors go by.

The page "Kinds of workers" prints it, and a test holds both to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from poolifier.errors import UnsupportedError
from poolifier.options import PoolOptions

__all__ = ["UNSUPPORTED", "check_supported"]

UNSUPPORTED: Final[Mapping[str, Mapping[str, str]]] = {
    "process": {},
    "thread": {"max_memory_per_worker": "a thread shares its memory with all others, so nobody can tell what it takes"},
    "interpreter": {
        "max_memory_per_worker": "an interpreter shares its memory with all others, so nobody can tell what it takes"
    },
    "ray": {},
}
"""Kind -> option -> why a pool of that kind cannot have it."""


def check_supported(kind: str, options: PoolOptions) -> None:
    """Raises `UnsupportedError` where an option is given that workers of this kind cannot honour."""
    for name, why in UNSUPPORTED[kind].items():
        value = getattr(options, name)
        if value is not None:
            raise UnsupportedError(f"{name} must be None for {kind} workers, got {value!r}: {why}; use a process pool")
