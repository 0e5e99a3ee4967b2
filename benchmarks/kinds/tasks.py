"""What the workers run."""

from __future__ import annotations

from typing import Any


def echo(data: Any) -> Any:
    return data


def compute(loops: int) -> int:
    """Pure Python, some 50 ms with 1,000,000 loops."""
    total = 0
    for number in range(loops):
        total += number & 7
    return total
