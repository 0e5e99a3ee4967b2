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

    __slots__ = ("_back_pressure", "_busy", "_emits", "_empty", "_full", "changed")

    def __init__(self) -> None:
        self.changed: bool = False
        self._busy = False
        self._full = False
        self._empty = False
        self._back_pressure = False
        # In a pool that is just about busy every task is an edge, so these are made once.
        self._emits: dict[str, Emit] = {}

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
        busy = busy and full
        if busy != self._busy:
            self._busy = busy
            effects.append(self._emit("busy" if busy else "busy_end"))
        if sizing.dynamic:
            if full != self._full:
                self._full = full
                effects.append(self._emit("full" if full else "full_end"))
            empty = sizing.minimum == 0 and count == 0 and sizing.vacated > 0
            if empty != self._empty:
                self._empty = empty
                if empty:
                    effects.append(self._emit("empty"))
        back_pressure = 0 < pressed == count
        if back_pressure != self._back_pressure:
            self._back_pressure = back_pressure
            effects.append(self._emit("back_pressure" if back_pressure else "back_pressure_end"))

    def _emit(self, event: str) -> Emit:
        emit = self._emits.get(event)
        if emit is None:
            emit = self._emits[event] = Emit(event)
        return emit
