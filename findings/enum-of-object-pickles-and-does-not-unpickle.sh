#!/usr/bin/env bash
# enum, pickle: a member whose value is object(), a usual way to make a sentinel, pickles without a word and cannot be unpickled in
# another process (or twice in this one). CPython 3.11 to 3.15: members are pickled by value, and the other object() is not a member.
# As argument of concurrent.futures the ValueError comes in the worker, far from the cause.
# Expected by most: pickled by name, as documented for members that functions make, or refused by dumps. Seen: ValueError from loads.
set -euo pipefail
PYTHON=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$PYTHON" -m venv venv
cat >missing.py <<'END'
import enum


class Missing(enum.Enum):
    TOKEN = object()
END
cat >script.py <<'END'
import pickle
import subprocess
import sys

from missing import Missing

payload = pickle.dumps(Missing.TOKEN)
print("dumps:", len(payload), "bytes")
try:
    print("loads here:", pickle.loads(payload))
    sys.exit("the behaviour changed")
except ValueError as error:
    print("loads here: ValueError:", error)
code = "import pickle, sys; pickle.load(sys.stdin.buffer)"
done = subprocess.run([sys.executable, "-c", code], input=payload, capture_output=True)
print("loads in another process:", done.stderr.decode().splitlines()[-1])
sys.exit(0 if b"is not a valid Missing" in done.stderr else "the behaviour changed")
END
venv/bin/python script.py
