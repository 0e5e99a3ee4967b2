#!/usr/bin/env bash
# CPython 3.14 and 3.15 with the JIT built: PYTHON_JIT=1 turns it on in the main interpreter alone. An interpreter of
# concurrent.interpreters runs without it, and says so by sys._jit.is_enabled(); neither documentation nor any option tells.
# Expected: the JIT is on in all interpreters of the process. Seen: main True, subinterpreter False.
set -euo pipefail
PYTHON=${PYTHON:-python3.14}
PYTHON_JIT=1 "$PYTHON" - <<'END'
import sys
from concurrent import interpreters

if not sys._jit.is_available():
    sys.exit("this Python has no JIT")
interpreter = interpreters.create()
seen = interpreters.create_queue()
interpreter.prepare_main(seen=seen)
interpreter.exec("import sys; seen.put(sys._jit.is_enabled())")
there = seen.get()
interpreter.close()
print("main", sys._jit.is_enabled(), "subinterpreter", there)
if not sys._jit.is_enabled() or there:
    sys.exit("the behaviour changed")
END
