#!/usr/bin/env bash
# pyee 13.0.1 (the newest): AsyncIOEventEmitter emits what a listener raises as "error". Of an async listener it asks `if exc:`.
# Expected: an exception that has a length and is empty (as one that holds a list of problems) is emitted like any other.
# Seen: from a plain listener it is, from an async one it is lost: no "error" event, no log record, no traceback.
set -euo pipefail
PYTHON=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$PYTHON" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check pyee==13.0.1
cat >script.py <<'END'
import asyncio
import sys

from pyee.asyncio import AsyncIOEventEmitter


class Problems(Exception):
    def __len__(self):
        return len(self.args)


def plain(error):
    raise error


async def later(error):
    raise error


async def main():
    emitter = AsyncIOEventEmitter()
    heard = []
    emitter.on("error", lambda error: heard.append((len(error.args), name)))
    for listener in (plain, later):
        name = listener.__name__
        emitter.on(name, listener)
        for error in (Problems("one"), Problems()):
            emitter.emit(name, error)
            await emitter.wait_for_complete()
            await asyncio.sleep(0)
    print(heard)
    return heard == [(1, "plain"), (0, "plain"), (1, "later")]


sys.exit(0 if asyncio.run(main()) else "the behaviour changed")
END
venv/bin/python script.py
