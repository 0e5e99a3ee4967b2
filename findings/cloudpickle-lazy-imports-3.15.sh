#!/usr/bin/env bash
# cloudpickle 3.1.3 on CPython 3.15: a function of the main script whose global is a lazy import (PEP 810) that nothing has used yet
# cannot be pickled; once anything has used the name, the same function can. Also under -X lazy_imports=all, with plain imports.
# Expected: pickled as a reference to the module, either way. Seen: TypeError: cannot pickle 'lazy_import' object, then it works.
set -euo pipefail
PYTHON=${PYTHON:-python3.15}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$PYTHON" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check cloudpickle==3.1.3
cat >script.py <<'END'
import sys

import cloudpickle

lazy import json


def work(value):
    return json.dumps(value)


try:
    cloudpickle.dumps(work)
except TypeError as error:
    print("before:", error)
else:
    sys.exit("the behaviour changed")
work(1)
print("after:", len(cloudpickle.dumps(work)), "bytes")
END
venv/bin/python script.py
