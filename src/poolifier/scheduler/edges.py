"""Turns states into events: one event when a state begins, one when it ends."""

from __future__ import annotations

from poolifier.scheduler.effects import Effect, Emit
from poolifier.scheduler.sizing import Sizing


class Edges:
    """Remembers which states were last reported, so that each change is reported once.

    Attributes:
        changed: Set by whoever changed something that a state depends on. Looking only then, at the
            end of a call, costs the hot path one test, and states that come and go within one call
            are not reported.
    """

    __slots__ = ("_emits", "_states", "changed")

    def __init__(self) -> None:
        self.changed = False
        self._states: dict[str, bool] = {}
        # In a pool that is just about busy every task is an edge, so these are made once.
        self._emits: dict[str, Emit] = {}

    def report(self, effects: list[Effect], began: str, ended: str | None, *, active: bool) -> None:
        """Emits `began` or `ended` where `active` is not what was last reported."""
        if self._states.get(began, False) == active:
            return
        self._states[began] = active
        event = began if active else ended
        if event is not None:
            emit = self._emits.get(event)
            if emit is None:
                emit = self._emits[event] = Emit(event)
            effects.append(emit)

    def check(self, effects: list[Effect], sizing: Sizing, *, busy: bool, pressed: int) -> None:
        """Reports the states of a pool that have changed.

        Args:
            effects: Where the events go.
            sizing: How many workers there are, and may be.
            busy: Whether there are workers, and none has room for another task.
            pressed: How many queues are full.
        """
        self.changed = False
        count = len(sizing.by_slot)
        full = count >= sizing.maximum
        self.report(effects, "busy", "busy_end", active=busy and full)
        if sizing.dynamic:
            self.report(effects, "full", "full_end", active=full)
            if sizing.minimum == 0:
                self.report(effects, "empty", None, active=count == 0 and sizing.vacated > 0)
        self.report(effects, "back_pressure", "back_pressure_end", active=pressed > 0 and pressed == count)
