"""Tools for testing pools and what runs on them: the scheduler under a virtual clock, and faults for real pools.

Public, and what the library's own tests use. Nothing here starts a thread or a process. The faults are in
`poolifier.testing.faults`.
"""

from __future__ import annotations

from poolifier.testing.clock import VirtualClock
from poolifier.testing.simulation import Crash, Failure, SimulatedTask, Simulation, SimulationResult

__all__ = ["Crash", "Failure", "SimulatedTask", "Simulation", "SimulationResult", "VirtualClock"]
