"""Tools for testing pools and what runs on them: the scheduler under a virtual clock, and faults for real pools.

Public, and what the library's own tests use. Nothing here starts a thread or a process. The faults are in
`poolifier.testing.faults`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from poolifier.testing.clock import VirtualClock
    from poolifier.testing.simulation import Crash, Failure, SimulatedTask, Simulation, SimulationResult

__all__ = ["Crash", "Failure", "SimulatedTask", "Simulation", "SimulationResult", "VirtualClock"]


def __getattr__(name: str) -> Any:
    # Workers that are harmed import this package, and have no use for a scheduler.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from poolifier.testing import clock, simulation

    return getattr(clock if name == "VirtualClock" else simulation, name)
