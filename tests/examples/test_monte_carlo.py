"""The simulated price is right, and does not depend on who simulates which part."""

import math
import subprocess
import sys
from pathlib import Path
from statistics import NormalDist

import pytest

pytestmark = pytest.mark.once

SCRIPT = Path(__file__).parents[2] / "examples" / "monte_carlo.py"


def run(*arguments):
    command = [sys.executable, "-W", "error", SCRIPT, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    price, error = (float(part.split()[-1]) for part in done.stdout.splitlines()[0].split(","))
    return price, error


def geometric(strike, price=100.0, rate=0.03, volatility=0.2, days=250):
    """The same option on the geometric mean, which has a formula, and is worth a little less."""
    step = 1 / days
    variance = volatility**2 * step * (days + 1) * (2 * days + 1) / (6 * days)
    mean = math.log(price) + (rate - volatility**2 / 2) * step * (days + 1) / 2
    above = (mean + variance - math.log(strike)) / math.sqrt(variance)
    cdf = NormalDist().cdf
    expected = math.exp(mean + variance / 2) * cdf(above) - strike * cdf(above - math.sqrt(variance))
    return math.exp(-rate) * expected


def test_the_price_is_right():
    for strike in (90, 110):
        value, error = run("--paths", 65_000, "--strike", strike, "--workers", 2)

        # The means differ by about half of the variance of the prices within a year, which is some tenths.
        assert error < 0.06
        assert geometric(strike) - 4 * error < value < geometric(strike) + 0.5 + 4 * error


def test_any_number_of_workers_finds_the_same_price():
    assert run("--paths", 25_001, "--workers", 1) == run("--paths", 25_001, "--workers", 3)
    assert run("--paths", 25_001, "--workers", 1) != run("--paths", 25_001, "--workers", 1, "--seed", 2)
