#!/usr/bin/env bash
# CPython 3.11 to 3.13: multiprocessing starts its processes (spawn, forkserver) without most of the program's -X options.
# Expected: limits and byte code are those of the program. Seen: -X int_max_str_digits and -X pycache_prefix are lost, so
# that int(text) that works in the program raises ValueError in its children, and byte code is written beside the sources.
# In 3.14 and 3.15 all -X options are passed on.
set -euo pipefail
PYTHON=${PYTHON:-python3.11}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >script.py <<'END'
import multiprocessing
import sys


def seen():
    return sys.get_int_max_str_digits(), sys.pycache_prefix


if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.apply(seen)
    print("program:", seen(), "child:", there)
    if (there == seen()) != (sys.version_info >= (3, 14)):
        sys.exit("the behaviour changed")
END
env -u PYTHONPYCACHEPREFIX "$PYTHON" -X int_max_str_digits=5000 -X pycache_prefix="$folder/cache" script.py
