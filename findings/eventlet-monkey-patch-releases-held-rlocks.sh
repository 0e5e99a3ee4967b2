#!/usr/bin/env bash
# eventlet.monkey_patch() releases every threading.RLock that it finds, also one that is held by a `with` statement.
#
# Version: eventlet 0.41.3 with greenlet 3.5.6 on CPython 3.11 and 3.13, Linux.
# Expected: a lock that is held stays held until the `with` statement that took it ends.
# Seen: "RuntimeError: cannot release un-acquired lock" at the end of the `with` statement, in the code that had loaded
#       the module which calls monkey_patch(). On standard error: "1 RLock(s) were not greened".
set -euo pipefail
python=${PYTHON:-python3}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install eventlet==0.41.3 greenlet==3.5.6 dnspython==2.8.0

"$folder/venv/bin/python" --version
status=0
said=$("$folder/venv/bin/python" -W ignore - <<'PYTHON' 2>&1
import threading

lock = threading.RLock()
try:
    with lock:
        import eventlet

        eventlet.monkey_patch()
except RuntimeError as error:
    print("RuntimeError:", error)
else:
    print("the lock was held until the end")
PYTHON
) || status=$?

echo "$said"
if [[ "$said" == *"RuntimeError: cannot release un-acquired lock"* ]]; then
    exit 0
fi
echo "changed (exit status $status)"
exit 1
