"""How many CPUs this process may use: its affinity, and the time that its control groups allow.

A container that is given two CPUs of a machine with 64 mostly still sees 64: the kernel only stops its processes
whenever they have used up what two CPUs would have been in a period. With a worker for each of the 64 every task then
takes 32 times as long, in fits and starts.

The limit of a control group holds for all groups below it, so the least of those on the way up is what counts.
Version 1 and version 2 may both be mounted, each with groups of its own.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from math import ceil
from pathlib import Path, PurePosixPath
from typing import Final

__all__ = ["available_parallelism", "cpu_limit", "usable_cpus"]

_ROOT: Final = Path("/")


def available_parallelism() -> int:
    """The number of CPUs that this process may keep busy, at least 1: as many CPU-heavy workers are of use.

    What limits it are the number of CPUs, the process's CPU affinity, and on Linux its control groups (containers,
    systemd units), of either version. A part of a CPU counts as one. Reads a few small files, so ask once.
    """
    limit = cpu_limit()
    cpus = usable_cpus()
    return cpus if limit is None else max(1, min(cpus, ceil(limit)))


def usable_cpus() -> int:
    """The number of CPUs that this process may run on, at least 1, whatever time it gets there."""
    with suppress(OSError):  # a sandbox may refuse `sched_getaffinity`
        if sys.version_info >= (3, 13):
            return os.process_cpu_count() or 1
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_limit(root: Path = _ROOT) -> float | None:
    """The CPUs' worth of time that control groups allow this process, or None where they set no limit.

    Args:
        root: Where the file system is that tells: `/` but for another system's, or for a test.
    """
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
        mounts = (root / "proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return None
    limits = [limit for directory, read in _directories(root, groups, mounts) if (limit := read(directory)) is not None]
    return min(limits, default=None)


def _directories(
    root: Path, groups: list[str], mounts: list[str]
) -> Iterator[tuple[Path, Callable[[Path], float | None]]]:
    """The directories whose limits hold for this process, with what reads them."""
    # A line is `hierarchy:controllers:path`. That of version 2 is the one without controllers.
    paths: dict[str, str] = {}
    for group in groups:
        _, controllers, path = group.split(":", 2)
        for controller in controllers.split(","):
            paths[controller] = path
    for mount in mounts:
        # `id parent device root mount-point options [tags] - type source options`
        place, _, system = mount.partition(" - ")
        mount_root, mount_point = (_unescaped(field) for field in place.split(" ")[3:5])
        kind, _, options = system.split(" ", 2)
        if kind == "cgroup2" and "" in paths:
            path, read = paths[""], _limit_of_version_2
        elif kind == "cgroup" and "cpu" in options.split(",") and "cpu" in paths:
            path, read = paths["cpu"], _limit_of_version_1
        else:
            continue
        top = root / mount_point.lstrip("/")
        below = PurePosixPath()
        # Of a group that is not below what is mounted here, as often in containers, only the latter can be seen.
        if PurePosixPath(path).is_relative_to(mount_root):
            below = PurePosixPath(path).relative_to(mount_root)
        if ".." in below.parts:
            below = PurePosixPath()
        yield from ((top / step, read) for step in (below, *below.parents))


def _limit_of_version_2(directory: Path) -> float | None:
    # `max 100000` where there is none.
    return _ratio(*_words(directory / "cpu.max"))


def _limit_of_version_1(directory: Path) -> float | None:
    # -1 where there is none.
    return _ratio(*_words(directory / "cpu.cfs_quota_us"), *_words(directory / "cpu.cfs_period_us"))


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []  # the topmost group has no limits


def _ratio(quota: str = "", period: str = "") -> float | None:
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None
    return int(quota) / int(period)


def _unescaped(field: str) -> str:
    """A path in `mountinfo`, where blanks and backslashes are in octal."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
