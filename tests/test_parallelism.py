"""What limits the number of CPUs is seen: affinity, and control groups of both versions wherever they are mounted."""

import os
import subprocess
import sys

import pytest

from poolifier import available_parallelism
from poolifier.parallelism import cpu_limit

MOUNT_2 = "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
MOUNT_1 = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct"
V1 = "sys/fs/cgroup/cpu,cpuacct"
OTHERS = [
    "23 1 254:0 / / rw,relatime - ext4 /dev/root rw",
    "33 31 0:30 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset",
    "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd",
]


def quota(directory, microseconds, period=100000):
    return {f"{directory}/cpu.cfs_quota_us": f"{microseconds}\n", f"{directory}/cpu.cfs_period_us": f"{period}\n"}


def write(root, groups, mounts, files):
    contents = {"proc/self/cgroup": "\n".join(groups) + "\n", "proc/self/mountinfo": "\n".join(OTHERS + mounts) + "\n"}
    for name, text in (contents | files).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


SYSTEMS = {
    "version 2, a systemd unit": (
        ["0::/system.slice/app.service"],
        [MOUNT_2],
        {"sys/fs/cgroup/system.slice/app.service/cpu.max": "250000 100000\n"},
        2.5,
    ),
    "version 2, the least on the way up": (
        ["0::/a/b/c"],
        [MOUNT_2],
        {
            "sys/fs/cgroup/a/cpu.max": "100000 50000\n",
            "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
            "sys/fs/cgroup/a/b/c/cpu.max": "300000 100000\n",
            "sys/fs/cgroup/a/b/c/below/cpu.max": "100000 100000\n",
            "sys/fs/cgroup/beside/cpu.max": "100000 100000\n",
        },
        2.0,
    ),
    "version 2, no limit": (["0::/a"], [MOUNT_2], {"sys/fs/cgroup/a/cpu.max": "max 100000\n"}, None),
    "version 2, in a container": (["0::/"], [MOUNT_2], {"sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
    "version 2, a container that sees the host's names": (
        ["0::/docker/0123"],
        [MOUNT_2.replace(" / /sys", " /docker/0123 /sys")],
        {"sys/fs/cgroup/cpu.max": "400000 100000\n"},
        4.0,
    ),
    "version 2, a group outside of what is mounted": (
        ["0::/../../other"],
        [MOUNT_2],
        {"sys/fs/cgroup/cpu.max": "400000 100000\n", "sys/other/cpu.max": "100000 100000\n"},
        4.0,
    ),
    "version 2, mounted at an odd place": (
        ["0::/a"],
        [MOUNT_2.replace("/sys/fs/cgroup", "/odd\\040place")],
        {"odd place/a/cpu.max": "150000 100000\n"},
        1.5,
    ),
    "version 2, a path with colons": (["0::/a:b"], [MOUNT_2], {"sys/fs/cgroup/a:b/cpu.max": "100000 100000\n"}, 1.0),
    "version 1": (["4:cpu,cpuacct:/app", "3:cpuset:/"], [MOUNT_1], quota(f"{V1}/app", 150000), 1.5),
    "version 1, the least on the way up": (
        ["4:cpuacct,cpu:/app/part"],
        [MOUNT_1],
        quota(f"{V1}/app", 100000) | quota(f"{V1}/app/part", 300000, 50000) | quota(V1, -1),
        1.0,
    ),
    "version 1, no limit": (["4:cpu,cpuacct:/app"], [MOUNT_1], quota(f"{V1}/app", -1), None),
    "version 1, in a container": (
        ["4:cpu,cpuacct:/docker/0123"],
        [MOUNT_1.replace(" / /sys", " /docker/0123 /sys")],
        quota(V1, 200000),
        2.0,
    ),
    "both, limited by version 1": (
        ["4:cpu,cpuacct:/app", "0::/user.slice"],
        [MOUNT_1, MOUNT_2.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified")],
        quota(f"{V1}/app", 300000),
        3.0,
    ),
    "nothing mounted": (["0::/a"], [], {}, None),
    "nonsense": (["0::/"], [MOUNT_2], {"sys/fs/cgroup/cpu.max": "many\n"}, None),
    "a period of nothing": (["0::/"], [MOUNT_2], {"sys/fs/cgroup/cpu.max": "1000 0\n"}, None),
}


@pytest.mark.parametrize(("groups", "mounts", "files", "limit"), SYSTEMS.values(), ids=SYSTEMS)
def test_control_groups(groups, mounts, files, limit, tmp_path):
    write(tmp_path, groups, mounts, files)

    assert cpu_limit(tmp_path) == limit


def test_a_system_without_control_groups(tmp_path):
    assert cpu_limit(tmp_path) is None


def number_after(statement):
    script = f"import os; from poolifier import available_parallelism; {statement}; print(available_parallelism())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_affinity_is_respected():
    cpu = min(os.sched_getaffinity(0))

    assert number_after("pass") == available_parallelism() >= 1
    assert number_after(f"os.sched_setaffinity(0, [{cpu}])") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can show a process another file system")
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is nothing to limit with one CPU")
@pytest.mark.parametrize(("given", "number"), [("40000", 1), ("120000", 2), ("9900000", len(os.sched_getaffinity(0)))])
def test_control_groups_are_respected(given, number, tmp_path):
    """A part of a CPU counts as one, and no limit makes CPUs that are not there."""
    write(tmp_path, ["0::/app"], [MOUNT_2], {"sys/fs/cgroup/app/cpu.max": f"{given} 100000\n"})

    assert number_after(f"os.chroot({str(tmp_path)!r})") == min(number, available_parallelism())
