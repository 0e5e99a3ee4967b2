#!/usr/bin/env bash
# cloudpickle 3.1.3 (the newest) names the file of all code that travels by value <dynamic-code>; 3.1.2 and before kept the name.
# So tracebacks have no source lines and no file, warnings, log records and coverage name the wrong one, inspect.getsource fails.
# Expected: the code's own co_filename, on both. Seen: 3.1.2 script.py, 3.1.3 <dynamic-code>.
set -euo pipefail
PYTHON=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$PYTHON" -m venv venv
cat >script.py <<'END'
import sys

import cloudpickle


def work():
    return 1 / 0


code = cloudpickle.loads(cloudpickle.dumps(work)).__code__
print(cloudpickle.__version__, code.co_filename, code.co_firstlineno)
wanted = {"3.1.2": work.__code__.co_filename, "3.1.3": "<dynamic-code>"}[cloudpickle.__version__]
sys.exit(0 if code.co_filename == wanted else "the behaviour changed")
END
for version in 3.1.2 3.1.3; do
    venv/bin/python -m pip install --quiet --disable-pip-version-check cloudpickle==$version
    venv/bin/python script.py
done
