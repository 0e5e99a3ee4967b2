"""What arrives when, and how long it takes: the same for every strategy."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import exp, log


@dataclass(frozen=True)
class Workload:
    """Tasks as `(arrival, run time)`, in seconds, in the order they arrive.

    Attributes:
        mixed: 90 % short (10 ms), 9 % medium (100 ms), 1 % long (2 s), arriving evenly.
        heavy_tailed: Pareto with shape 1.5, 20 ms at least and 60 s at most: a few tasks are most of the work.
        bursty: Exponential around 50 ms, arriving in bursts with silence between them.
        at_once: Log-normal around 50 ms, all there from the beginning.
        all_steal: `bursty` once more, with `tasks_stealing_ratio` 1.
    """

    name: str
    workers: int
    tasks: int
    utilization: float = 0.8  # of the workers, if none were ever idle while something waits

    def __iter__(self) -> Iterator[tuple[float, float]]:
        pick = random.Random("bursty" if self.name == "all_steal" else self.name)
        if self.name == "mixed":
            yield from self._evenly(pick, lambda: pick.choices((0.01, 0.1, 2.0), (90, 9, 1))[0], 0.038)
        elif self.name == "heavy_tailed":
            yield from self._evenly(pick, lambda: min(60.0, 0.02 * pick.paretovariate(1.5)), 0.0589)
        elif self.name in ("bursty", "all_steal"):
            burst = 10 * self.workers
            for number in range(self.tasks):
                yield number // burst * (burst * 0.05 / self.workers / self.utilization), pick.expovariate(20.0)
        elif self.name == "at_once":
            for _ in range(self.tasks):
                yield 0.0, exp(pick.normalvariate(log(0.05), 1.0))
        else:
            raise ValueError(self.name)

    def _evenly(self, pick: random.Random, run_time: Callable[[], float], mean: float) -> Iterator[tuple[float, float]]:
        now = 0.0
        rate = self.workers * self.utilization / mean
        for _ in range(self.tasks):
            now += pick.expovariate(rate)
            yield now, run_time()

    @property
    def stealing_ratio(self) -> float:
        """How many of the workers may steal at a time."""
        return 1.0 if self.name == "all_steal" else 0.6


NAMES = ("mixed", "heavy_tailed", "bursty", "all_steal", "at_once")
