"""Takes one sample, in the interpreter it is started in: `python -m benchmarks.versus.probe`.

The processes that multiprocessing starts import this module again. So it imports at its top what the main
module of any asyncio program does, and what only the benchmark needs where only the benchmark gets.
"""

from __future__ import annotations

import asyncio
import json
import sys


class ScriptPoint:
    """What the main script defines; the same as `tasks.ModulePoint` otherwise."""

    def __init__(self, x: int, y: int) -> None:
        self.x = x
        self.y = y

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]


async def _sample(contestant: str, scenario: str, parameters: dict[str, object]) -> dict[str, float]:
    from benchmarks.versus.contestants import all_contestants, library
    from benchmarks.versus.scenarios import all_scenarios

    chosen = all_contestants()[contestant]
    assert chosen.open is not None, "a pool of Node's has a program of its own"
    if chosen.needs is not None:
        library(chosen.needs)  # what it takes to import is no part of what it takes to start
    return await all_scenarios()[scenario].run(chosen.open, parameters)


def _main(contestant: str, scenario: str, given: str) -> None:
    from benchmarks.versus.contestants import Unavailable, library

    parameters = json.loads(given)
    outcome: dict[str, float] | dict[str, str]
    try:
        loop = library("uvloop").new_event_loop if parameters.get("loop") == "uvloop" else None
        with asyncio.Runner(loop_factory=loop) as runner:
            outcome = runner.run(_sample(contestant, scenario, parameters))
    except Unavailable as reason:
        outcome = {"unavailable": str(reason)}
    print(json.dumps(outcome))


if __name__ == "__main__":
    _main(*sys.argv[1:])
