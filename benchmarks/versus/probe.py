"""Takes one sample, in the interpreter it is started in: `python -m benchmarks.versus.probe`."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from benchmarks.versus.contestants import Unavailable, all_contestants, library
from benchmarks.versus.scenarios import all_scenarios


async def _sample(contestant: str, scenario: str, parameters: dict[str, Any]) -> dict[str, float]:
    chosen = all_contestants()[contestant]
    assert chosen.open is not None, "a pool of Node's has a program of its own"
    if chosen.needs is not None:
        library(chosen.needs)  # what it takes to import is no part of what it takes to start
    return await all_scenarios()[scenario].run(chosen.open, parameters)


def _main(contestant: str, scenario: str, given: str) -> None:
    parameters = json.loads(given)
    outcome: dict[str, Any]
    try:
        loop = library("uvloop").new_event_loop if parameters.get("loop") == "uvloop" else None
        with asyncio.Runner(loop_factory=loop) as runner:
            outcome = runner.run(_sample(contestant, scenario, parameters))
    except Unavailable as reason:
        outcome = {"unavailable": str(reason)}
    print(json.dumps(outcome))


# Guarded, because the processes that multiprocessing starts import this module again.
if __name__ == "__main__":
    _main(*sys.argv[1:])
