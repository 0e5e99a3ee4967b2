#!/usr/bin/env bash
# CPython 3.14 and 3.15: -X disable-remote-debug has hyphens where the other options of -X have underscores. Written like those,
# -X disable_remote_debug is taken without a word, and remote debugging stays on.
# Expected: it is off, or Python refuses the option. Seen: sys.is_remote_debug_enabled() is True.
set -euo pipefail
PYTHON=${PYTHON:-python3.14}
told=$("$PYTHON" -X disable_remote_debug -c "import sys; print(sys.is_remote_debug_enabled())")
other=$("$PYTHON" -X disable-remote-debug -c "import sys; print(sys.is_remote_debug_enabled())")
echo "underscores: $told, hyphens: $other"
[[ $told == True && $other == False ]] || { echo "the behaviour changed"; exit 1; }
