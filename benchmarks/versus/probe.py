"""Takes one sample, in the interpreter it is started in: `python -m benchmarks.versus.probe`."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys

from benchmarks.versus.contestants import all_contestants
from benchmarks.versus.scenarios import all_scenarios


async def _main(contestant: str, scenario: str, parameters: str) -> None:
    chosen = all_contestants()[contestant]
    if chosen.needs is not None:
        importlib.import_module(chosen.needs)  # what it takes to import is no part of what it takes to start
    sample = await all_scenarios()[scenario].run(chosen.open, json.loads(parameters))
    print(json.dumps(sample))


# Guarded, because the processes that multiprocessing starts import this module again.
if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
