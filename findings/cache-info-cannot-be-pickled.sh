#!/usr/bin/env bash
# functools: what cache_info() returns cannot be pickled. CPython 3.11 to 3.15: the class is called CacheInfo, and the name that
# functools has for it is _CacheInfo. So a task that returns its cache statistics from a process pool fails.
# Expected: that a named tuple of the standard library with four numbers can be pickled. Seen: PicklingError.
set -euo pipefail
PYTHON=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$PYTHON" -m venv venv
cat >script.py <<'END'
import functools
import pickle
import sys


@functools.lru_cache
def cached(x):
    return x


print(cached.cache_info())
try:
    pickle.dumps(cached.cache_info())
except pickle.PicklingError as error:
    print("PicklingError:", error)
else:
    sys.exit("the behaviour changed")
END
venv/bin/python script.py
