"""Does something grow with the tasks? A slope, with its margin of error: noise is no leak, and does not hide one."""

import statistics
from itertools import pairwise
from typing import NamedTuple

BLOCKS = 10
T_QUANTILE = 2.306
"""Of Student's distribution: 97.5 % with `BLOCKS - 2` degrees of freedom."""


class Growth(NamedTuple):
    """How much something grows per million tasks: with a confidence of 95 %, within `margin` of `slope`."""

    slope: float
    margin: float

    def is_below(self, limit):
        """Whether it is shown that less than that is added. Where the margin is too wide, it is not."""
        return self.slope + self.margin < limit

    def is_above(self, limit):
        """Whether it is shown that more than that is added."""
        return self.slope - self.margin > limit

    def __str__(self):
        return f"{self.slope:+.3g} ± {self.margin:.2g}"


def growth(tasks, values):
    """The growth over the later half of a run; of the first half allocators, caches and histories fill.

    What a process takes goes up and down in spells of many samples, so samples next to each other say the same thing
    twice, and a fit to all of them would be far too sure of itself. So the half is cut in ten blocks, longer than
    these spells; the line is fitted to their medians, and its error is that of ten observations.
    """
    half = len(tasks) // 2
    tasks, values = tasks[half:], values[half:]
    cuts = [len(tasks) * block // BLOCKS for block in range(BLOCKS + 1)]
    spans = [slice(*ends) for ends in pairwise(cuts)]
    x = [statistics.median(tasks[span]) / 1e6 for span in spans]
    y = [statistics.median(values[span]) for span in spans]
    slope, intercept = statistics.linear_regression(x, y)
    residuals = sum((there - slope * here - intercept) ** 2 for here, there in zip(x, y, strict=True))
    spread = sum((here - statistics.fmean(x)) ** 2 for here in x)
    return Growth(slope, T_QUANTILE * (residuals / (BLOCKS - 2) / spread) ** 0.5)
