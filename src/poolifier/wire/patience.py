"""Whether to stay awake for what is expected within microseconds, or to fall asleep and be woken."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["Patience"]

_MOST: Final = 0.0003
"""Seconds to stay awake, at the most."""

_BRISK: Final = 0.0005
"""Where waiting usually takes more seconds than that, nobody stays awake."""

_SLACK: Final = 0.00005
_WEIGHT: Final = 1 / 8
_EVERY: Final = 64
"""Every how many waits the other way is tried."""


def _several_cpus() -> bool:
    if hasattr(os, "sched_getaffinity"):
        try:
            return len(os.sched_getaffinity(0)) > 1
        except OSError:
            pass  # refused by a sandbox
    return (os.cpu_count() or 1) > 1


_MAY_STAY: Final = _several_cpus()
"""On a single CPU whoever is waited for could not run meanwhile."""


class Patience:
    """Learns from how long each wait takes which way is the faster, and tries the other one now and then.

    To be woken takes long, above all in a virtual machine, and finds the caches cold. But where others want
    the CPU, it is keeping it that makes the answer late. Nobody can tell beforehand which it is: only that the
    waits of one kind are shorter. This is the bandit problem with two arms, one of which is tried for a fixed
    share of the time, for what it would bring may change at any moment.
    """

    __slots__ = ("_asleep", "_awake", "_count", "_usual")

    def __init__(self) -> None:
        # Means in which what is recent counts for more; seconds.
        self._usual = 2 * _BRISK
        self._awake = 0.0
        self._asleep = 0.0
        self._count = 0

    def begin(self) -> float:
        """Seconds to stay awake this time; 0.0 to fall asleep at once."""
        if self._usual > _BRISK or not _MAY_STAY:
            return 0.0
        self._count = count = self._count + 1
        stay = (self._awake <= self._asleep) is (count % _EVERY != 0)
        return min(3 * self._awake + _SLACK, _MOST) if stay else 0.0

    def end(self, seconds: float, *, stayed: bool) -> None:
        """The wait took so long. `stayed` says whether `begin` had told to stay awake."""
        usual = self._usual
        self._usual = usual + (min(seconds, 4 * _BRISK) - usual) * _WEIGHT
        # A single wait says little, however long it is.
        if stayed:
            awake = self._awake
            self._awake = awake + (min(seconds, 2 * awake + _SLACK) - awake) * _WEIGHT
        else:
            asleep = self._asleep
            self._asleep = asleep + (min(seconds, 2 * asleep + _SLACK) - asleep) * _WEIGHT
