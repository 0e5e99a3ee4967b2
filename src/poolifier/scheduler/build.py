"""Which build of the scheduler this is. Never compiled itself."""

from __future__ import annotations

from typing import Final

from poolifier.scheduler import scheduler

__all__ = ["compiled"]

compiled: Final = not scheduler.__file__.endswith(".py")
"""Whether the scheduler is machine code (built with mypyc) or the Python source. It decides the same either way."""
