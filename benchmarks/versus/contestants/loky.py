"""loky: the process pool under joblib, and so under scikit-learn."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.versus.contestants import Submit, contestant


@contestant("loky", "run_in_executor(loky)", needs="loky")
@asynccontextmanager
async def loky(function: Callable[[Any], Any], workers: int) -> AsyncIterator[Submit]:
    library = importlib.import_module("loky")  # by name, for type checkers run where no peer is installed
    loop = asyncio.get_running_loop()
    with library.ProcessPoolExecutor(workers) as executor:
        yield lambda data: loop.run_in_executor(executor, function, data)
