"""Prices an option by simulation, in shared memory: `python examples/monte_carlo.py [--paths 2_000_000]`.

An Asian option pays what the mean price of a share, over a year of days, is above the strike. There is no formula for
it, so many possible years are simulated with NumPy. Each worker process writes its results into its own part of one
array, a `SharedBuffer`: what travels is a reference. The program then has all of them in the same memory, without a
copy.

The random numbers of a part depend on the seed and on the part alone, so any number of workers finds the same price.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import time
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from poolifier import FixedProcessPool, SharedBuffer

PART = 10_000
"""Paths that are simulated in one task."""


class Option(NamedTuple):
    """What is priced, and in which market."""

    price: float = 100.0
    strike: float = 100.0
    rate: float = 0.03
    volatility: float = 0.2
    years: float = 1.0
    days: int = 250


class Part(NamedTuple):
    """A task: which paths to simulate, and the memory of all payoffs."""

    option: Option
    seed: int
    begin: int
    end: int
    payoffs: SharedBuffer


# The work ------------------------------------------------------------------------------------------------------------


def simulate(part: Part) -> None:
    """Simulates some paths, and writes their payoffs to their place. This is the task function."""
    option, step = part.option, part.option.years / part.option.days
    generator = np.random.default_rng([part.seed, part.begin])
    shocks = generator.standard_normal((part.end - part.begin, option.days))
    drift = (option.rate - option.volatility**2 / 2) * step
    prices = option.price * np.exp(np.cumsum(drift + option.volatility * math.sqrt(step) * shocks, axis=1))
    payoffs = np.maximum(prices.mean(axis=1) - option.strike, 0.0)
    array_of(part.payoffs)[part.begin : part.end] = payoffs


def array_of(shared: SharedBuffer) -> npt.NDArray[np.float64]:
    """The shared memory as an array: it is that memory."""
    return np.frombuffer(shared.buffer, dtype=np.float64)


# The pool ------------------------------------------------------------------------------------------------------------


async def price(option: Option, paths: int, seed: int, workers: int) -> tuple[float, float]:
    """The price of the option, and its standard error."""
    shared = SharedBuffer(paths * np.dtype(np.float64).itemsize)
    parts = (Part(option, seed, begin, min(begin + PART, paths), shared) for begin in range(0, paths, PART))
    async with FixedProcessPool[Part, None](workers, simulate) as pool:
        # A part that is written twice is the same, so it may be tried again where its worker dies.
        await pool.map_execute(parts, retries=1)
    payoffs = array_of(shared) * math.exp(-option.rate * option.years)
    return float(payoffs.mean()), float(payoffs.std() / math.sqrt(paths))


def main() -> None:
    """Prices the option, and prints what it cost to do so."""
    parser = argparse.ArgumentParser(description="Price an Asian option by simulation.")
    parser.add_argument("--paths", type=int, default=2_000_000)
    parser.add_argument("--strike", type=float, default=100.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    option = Option(strike=arguments.strike)
    started = time.perf_counter()
    value, error = asyncio.run(price(option, arguments.paths, arguments.seed, arguments.workers))
    elapsed = time.perf_counter() - started
    print(f"price {value:.6f}, standard error {error:.6f}")
    print(f"{arguments.paths:,} paths of {option.days} days on {arguments.workers} workers took {elapsed:.2f} s")


if __name__ == "__main__":
    main()
