"""What the contestants run. A module of its own, so that every pool passes it by reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def echo(data: Any) -> Any:
    return data


async def echo_async(data: Any) -> Any:
    """The same for pools that run nothing but coroutines."""
    return data


def spin(turns: int) -> int:
    """Pure Python that keeps the GIL: a million turns take about 50 ms."""
    total = 0
    for number in range(turns):
        total += number & 7
    return total


def hold(data: Any) -> Any:
    """Keeps its worker for as long as a writer has that FIFO open; echoes anything else."""
    if isinstance(data, str):
        Path(data).read_bytes()
    return data
