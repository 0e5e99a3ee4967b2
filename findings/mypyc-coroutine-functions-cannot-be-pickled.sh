#!/usr/bin/env bash
# mypyc 2.4.1 (the newest): an `async def` of a compiled module cannot be pickled, though it has a __name__ (and no __qualname__). Plain
# functions and generators of the same module can. So it cannot be sent to another process by reference, neither by pickle nor by
# cloudpickle 3.1.3. Python 3.11 to 3.15.
# Expected: that it is pickled by its name, as all functions are. Seen: TypeError: cannot pickle 'Function compiled with mypyc' object.
set -euo pipefail
PYTHON=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$PYTHON" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check mypy==2.4.1 setuptools==80.9.0 cloudpickle==3.1.3
cat >compiled.py <<'END'
from typing import Iterator


def plain(x: int) -> int:
    return x


def numbers(x: int) -> Iterator[int]:
    yield x


async def later(x: int) -> int:
    return x
END
venv/bin/mypyc compiled.py >build.log 2>&1 || { tail -5 build.log; exit 1; }
cat >script.py <<'END'
import pickle
import sys

import cloudpickle
import compiled

seen = []
for function in (compiled.plain, compiled.numbers, compiled.later):
    for module in (pickle, cloudpickle):
        try:
            module.dumps(function)
            seen.append("pickled")
        except TypeError as error:
            seen.append(str(error))
        print(f"{function.__name__} ({type(function).__name__}) by {module.__name__}: {seen[-1]}")
refused = "cannot pickle 'Function compiled with mypyc' object"
sys.exit(0 if seen == ["pickled"] * 4 + [refused] * 2 else "the behaviour changed")
END
venv/bin/python script.py
