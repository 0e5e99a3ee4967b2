"""Tells whether the kernel ended a worker for want of memory.

All that a process's parent hears of that is SIGKILL. But the kernel counts such kills by control group: in
`memory.events` (version 2) or `memory.oom_control` (version 1) of the group that the victim belongs to. The counter is
read when a worker starts and again when it has ended by SIGKILL. Each kill that it counts explains one end only, for
all workers of a pool are in one group, as a rule. Where there is no such counter nothing is said.
"""

from __future__ import annotations

import os
from typing import Final, TypeAlias

__all__ = ["Before", "MemoryKills", "memory_kills"]

_PROC: Final = "/proc"

Before: TypeAlias = tuple[str, int, int]
"""A counter, or "" for none, what it said, and what the whole system's said."""


class MemoryKills:
    """Reads the counters, and remembers which of the kills are explained.

    Args:
        proc: Where the kernel's view of processes is mounted; another one in tests.
    """

    def __init__(self, proc: str = _PROC) -> None:
        self._proc = proc
        self._explained: dict[str, set[int]] = {}
        self._counters: dict[str, str | None] = {}

    def groups(self, pid: int) -> str:
        """The control groups of a process as the kernel lists them; empty where that cannot be read."""
        return _read(f"{self._proc}/{pid}/cgroup")

    def before(self, groups: str) -> Before:
        """What the counter that is responsible for a process in these groups says now, to be given to `explain`."""
        path = self._counter(groups)
        count = None if path is None else _kills(path)
        return (path or "", -1 if count is None else count, self._all())

    def explain(self, before: Before, groups: str) -> bool:
        """Whether a process that has been killed was the victim of a kill counted since; each is told once.

        Args:
            before: What was counted when it started.
            groups: Those that it was in at its end, as far as they are known.
        """
        path, then, all_then = before
        if path and self._take(path, then):
            return True
        # Of an ended process only the group of version 2 is known. There it may have come from elsewhere: what was
        # counted there when it started is not known, so the whole system must have had such a kill since.
        line = next((line for line in groups.splitlines() if line.startswith("0::")), "")
        moved = self._counter(line)
        count = None if moved is None or moved == path else _kills(moved)
        return moved is not None and count is not None and self._all() > all_then and self._take(moved, count - 1)

    def _take(self, path: str, then: int) -> bool:
        now = _kills(path)
        if now is None or then < 0:
            return False
        explained = self._explained.setdefault(path, set())
        for number in range(then + 1, now + 1):
            if number not in explained:
                explained.add(number)
                return True
        return False

    def _all(self) -> int:
        """The kills in the whole system, or 0 where that is not told."""
        return _kills(f"{self._proc}/vmstat") or 0

    def _counter(self, groups: str) -> str | None:
        if groups not in self._counters:
            # They are few, for all workers are in the group of their pool unless somebody moves them.
            self._counters[groups] = self._find_counter(groups)
        return self._counters[groups]

    def _find_counter(self, groups: str) -> str | None:
        """Where the counter of these groups is: see cgroups(7) and proc_pid_mountinfo(5)."""
        wanted: dict[str, tuple[str, str]] = {}
        for line in groups.splitlines():
            number, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            if number == "0" and not controllers:
                wanted["cgroup2"] = (path, "memory.events")
            elif "memory" in controllers.split(","):
                wanted["cgroup"] = (path, "memory.oom_control")
        for line in _read(f"{self._proc}/self/mountinfo").splitlines():
            fields, _, rest = line.partition(" - ")
            kind, _, options = rest.partition(" ")
            if kind not in wanted or (kind == "cgroup" and "memory" not in options.rpartition(" ")[2].split(",")):
                continue
            path, name = wanted[kind]
            root, mount = fields.split()[3:5]
            # A container may see a part of the tree only, mounted as though it were all.
            inside = path.removeprefix(root) if root != "/" and (path + "/").startswith(f"{root}/") else path
            file = f"{mount}/{inside.strip('/')}/{name}".replace("//", "/")
            if _kills(file) is not None:
                return file
        return None


def _kills(path: str) -> int | None:
    for line in _read(path).splitlines():
        name, _, count = line.partition(" ")
        if name == "oom_kill" and count.isdigit():
            return int(count)
    return None


def _read(path: str) -> str:
    # By system calls alone, for this happens at the start of each worker.
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        parts = []
        while part := os.read(fd, 1 << 16):
            parts.append(part)
        return b"".join(parts).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(fd)


memory_kills: MemoryKills = MemoryKills()
"""That of this process: all its pools share it, so that no kill explains the ends of two workers."""
