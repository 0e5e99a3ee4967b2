#!/usr/bin/env bash
# CPython 3.14 and 3.15: sys.remote_exec says that the script is executed by the main thread of the process. In a process
# with interpreters of concurrent.interpreters it is meant for the interpreter that was made last: no thread in there is an error
# ("Can't find the main thread in the remote process"), and a thread in there is the one that runs the script, with the
# modules and globals of that interpreter.
# Expected: the script runs in the main interpreter, always. Seen: an error while the newest interpreter has no thread; with
# one, the script runs in that interpreter.
set -euo pipefail
PYTHON=${PYTHON:-python3.14}
"$PYTHON" - <<'END'
import os
import sys
import tempfile
import time
from concurrent import interpreters
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    script, answer = Path(folder, "script.py"), Path(folder, "answer")
    script.write_text(f"""
import os
from concurrent import interpreters
with open({str(answer)!r} + ".part", "w") as part:
    part.write(str(interpreters.get_current().id))
os.rename(part.name, {str(answer)!r})
""")
    turns = f"""
import os, sys, time
sys.remote_exec({os.getpid()}, {str(script)!r})
end = time.monotonic() + 10
while time.monotonic() < end and not os.path.exists({str(answer)!r}):
    pass
"""
    try:
        exec(turns)
    except PermissionError:
        sys.exit("no process may look into another one here")
    alone = int(answer.read_text())
    answer.unlink()

    newest = [interpreters.create() for _ in range(2)][-1]
    try:
        sys.remote_exec(os.getpid(), str(script))
    except RuntimeError as error:
        without_thread = str(error)
    else:
        without_thread = None

    newest.exec(turns)
    with_thread = int(answer.read_text())
    for interpreter in interpreters.list_all():
        if interpreter.id:
            interpreter.close()
print("alone:", alone, "newest without a thread:", without_thread, "with one:", with_thread, "newest is", newest.id)
if alone != 0 or without_thread is None or with_thread != newest.id:
    sys.exit("the behaviour changed")
END
