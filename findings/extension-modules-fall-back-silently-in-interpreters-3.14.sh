#!/usr/bin/env bash
# msgpack 1.2.4, PyYAML 6.0.4, protobuf 7.36.2 on CPython 3.14: their compiled modules cannot be loaded in an interpreter of
# concurrent.interpreters. Unlike numpy, which raises, they catch the ImportError and go on with pure Python, so that the same
# program is many times as slow there, without a warning; PyYAML's CLoader is not there at all.
# Expected: the compiled modules, or a warning. Seen: in the interpreter msgpack.fallback, no libyaml, the "python" protobuf.
set -euo pipefail
PYTHON=${PYTHON:-python3.14}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$PYTHON" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: msgpack==1.2.4 pyyaml==6.0.4 protobuf==7.36.2
venv/bin/python -W error - <<'END'
import sys
from concurrent import interpreters

CODE = """
import time

import msgpack
import yaml
from google.protobuf.internal import api_implementation

data = [list(range(1000))] * 100
begin = time.process_time()
for _ in range(3):
    msgpack.unpackb(msgpack.packb(data))
seconds = time.process_time() - begin
seen = msgpack.Packer.__module__, yaml.__with_libyaml__, api_implementation.Type()
"""
here = {}
exec(CODE, here)
interpreter = interpreters.create()
answers = interpreters.create_queue()
interpreter.prepare_main(answers=answers)
interpreter.exec("import warnings; warnings.simplefilter('error')\n" + CODE + "answers.put((*seen, seconds))")
*there, seconds = answers.get()
interpreter.close()
print("main", *here["seen"], "interpreter", *there, f"msgpack takes {seconds / here['seconds']:.0f} times as long")
if here["seen"] != ("msgpack._cmsgpack", True, "upb") or there != ["msgpack.fallback", False, "python"]:
    sys.exit("the behaviour changed")
END
