"""Turns states into events: one event when a state begins, one when it ends."""

from __future__ import annotations

from poolifier.scheduler.effects import Effect, Emit


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
