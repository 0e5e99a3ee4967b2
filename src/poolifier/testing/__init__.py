"""Tools for testing pools and what runs on them: the scheduler under a virtual clock, and faults for real pools.

Public, and what the library's own tests use. Nothing here starts a thread or a process. The faults are in
`poolifier.testing.faults`.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from poolifier.testing.clock import VirtualClock
    from poolifier.testing.measured import SimulationResult
    from poolifier.testing.simulated_workers import Crash, Failure
    from poolifier.testing.simulation import SimulatedTask, Simulation

__all__ = ["Crash", "Failure", "SimulatedTask", "Simulation", "SimulationResult", "VirtualClock"]

_ROOM_OF: Final = {
    "Crash": "simulated_workers",
    "Failure": "simulated_workers",
    "SimulatedTask": "simulation",
    "Simulation": "simulation",
    "SimulationResult": "measured",
    "VirtualClock": "clock",
}


def __getattr__(name: str) -> Any:
    # Workers that are harmed import this package, and have no use for a scheduler.
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{room}"), name)
