#!/usr/bin/env bash
# cloudpickle 3.1.3 on CPython 3.14 and 3.15: it evaluates the annotations of the functions that it pickles. A name that is imported
# for type checkers only, which nobody else asks for since annotations are lazy (PEP 649), ends dumps with a NameError.
# Expected: pickled, as pickle does with a function of a module; nobody needs the annotations. Seen: NameError.
set -euo pipefail
PYTHON=${PYTHON:-python3.14}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$PYTHON" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check cloudpickle==3.1.3
cat >script.py <<'END'
import sys
from typing import TYPE_CHECKING

import cloudpickle

if TYPE_CHECKING:
    from decimal import Decimal


def work(value: Decimal) -> Decimal:
    return value


print("called:", work(1))
try:
    cloudpickle.dumps(work)
except NameError as error:
    print("pickled: NameError:", error)
else:
    sys.exit("the behaviour changed")
END
venv/bin/python script.py
