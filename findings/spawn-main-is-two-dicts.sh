#!/usr/bin/env bash
# multiprocessing with spawn (or forkserver): a global that a function of the main script assigns cannot be seen through its module.
# CPython 3.11 to 3.15: the functions use the dictionary in which runpy ran the script; __main__ and __mp_main__ are a module that got a
# copy of it. So `global G; G = 5` in a task leaves `__main__.G`, `import __main__`, pickled references and `sys.modules[__name__].G` as
# they were, and setting `__main__.G` changes nothing for the functions. In the main process it is one dictionary.
# Expected by most: that a module and its functions share their globals everywhere. Seen: False, 5 and 0.
set -euo pipefail
PYTHON=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$PYTHON" -m venv venv
cat >script.py <<'END'
import multiprocessing
import sys

G = 0


def assign(value):
    global G
    G = value
    module = sys.modules[assign.__module__]
    return module.__dict__ is globals(), G, module.G


if __name__ == "__main__":
    print("here:       same dictionary, the global, the attribute of the module:", assign(5))
    assert assign(5) == (True, 5, 5)
    for method in ("spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            seen = pool.apply(assign, (5,))
        print(f"{method + chr(58):11}", seen)
        assert seen == (False, 5, 0), "the behaviour changed"
END
venv/bin/python script.py
