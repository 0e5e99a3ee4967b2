#!/usr/bin/env bash
# multiprocessing with forkserver, the default on Linux since 3.14: the main script is imported once, in the server, and no more by
# each child. CPython 3.14 and 3.15: what a script computes at its top level, such as os.getpid(), a random token or the time, is the
# same in all children, and is that of the server; open connections and threads started there are the server's as well.
# Up to 3.13 the server never managed to import it, so each child did, as with spawn (compare: PYTHON=python3.13).
# Expected by most: that children import the script themselves. Seen: 4 processes, 1 token, and PID is none of theirs.
set -euo pipefail
PYTHON=${PYTHON:-python3.14}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$PYTHON" -m venv venv
cat >script.py <<'END'
import multiprocessing
import os
import sys
import uuid

PID, TOKEN = os.getpid(), uuid.uuid4().hex


def meet(all_of_them):
    global barrier
    barrier = all_of_them


def look(_):
    barrier.wait(60)  # so that each child does one
    return os.getpid(), PID, TOKEN


if __name__ == "__main__":
    for method in ("spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        with context.Pool(4, meet, (context.Barrier(4),)) as pool:
            seen = pool.map(look, range(4), chunksize=1)
        pids = {pid for pid, _, _ in seen}
        tokens = {token for _, _, token in seen}
        own = all(pid == at_import for pid, at_import, _ in seen)
        print(f"{method}: {len(pids)} processes, {len(tokens)} tokens, PID is the process own: {own}")
        once = method == "forkserver" and sys.version_info >= (3, 14)
        assert own is not once and (len(tokens) == 1) is once, "the behaviour changed"
END
venv/bin/python script.py
