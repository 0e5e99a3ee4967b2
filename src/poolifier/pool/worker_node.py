"""A read-only view of one worker, for users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolifier.scheduler.info import WorkerUsage, function_usage, worker_usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poolifier.protocols import Channel
    from poolifier.scheduler.node import Node


class WorkerNode:
    """One worker of a pool, as it is now. It stays readable after the worker is gone."""

    __slots__ = ("_channel", "_node")

    def __init__(self, node: Node, channel: Channel | None) -> None:
        self._node = node
        self._channel = channel

    @property
    def id(self) -> int:
        """Its number; never reused within a pool."""
        return self._node.id

    @property
    def slot(self) -> int:
        """Its place, `0 .. maximum size - 1`. A replacement takes over the slot of what it replaces."""
        return self._node.slot

    @property
    def pid(self) -> int | None:
        """Its process, also once that has ended; None while it is not known, or where it has none of its own."""
        pid = self._channel.pid if self._channel is not None else None
        return self._node.pid if pid is None else pid

    @property
    def ready(self) -> bool:
        """Whether it takes tasks."""
        return self._node.ready

    @property
    def dynamic(self) -> bool:
        """Whether it may retire for want of work."""
        return self._node.dynamic

    @property
    def memory(self) -> int | None:
        """Bytes of memory that its process keeps resident, or None where there is no such process."""
        return self._channel.memory if self._channel is not None else None

    @property
    def usage(self) -> WorkerUsage:
        """What it has done so far, all task functions together."""
        return worker_usage(self._node)

    @property
    def usage_by_task_function(self) -> Mapping[str, WorkerUsage]:
        """What it has done so far, by the name of the task function."""
        return function_usage(self._node)

    def __repr__(self) -> str:
        return f"<WorkerNode {self.id} slot={self.slot} pid={self.pid} ready={self.ready}>"
