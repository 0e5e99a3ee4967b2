#!/usr/bin/env bash
# cloudpickle 3.1.3, classes and functions of the main script, in another process. Python 3.11 to 3.15.
# 1. A class with __slots__ arrives with a __dict__ for its instances. They work there, but come back with state that their own class
#    refuses: AttributeError, "object has no attribute __dict__".
# 2. A member of an Enum arrives without the attributes that __init__ gave it: the member is made from its value alone.
# 3. A function under functools.cache is sent by its name, though the function that calls it is sent by value: the other side looks for it
#    in its own __main__.
# Expected: the same as here, or an error from dumps. Seen: dumps is content, and the three errors come later, elsewhere.
set -euo pipefail
PYTHON=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$PYTHON" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check cloudpickle==3.1.3
cat >script.py <<'END'
import enum
import functools
import pickle
import subprocess
import sys

import cloudpickle

OTHER = """
import pickle, sys, cloudpickle
function, argument = pickle.load(sys.stdin.buffer)
try:
    sys.stdout.buffer.write(cloudpickle.dumps(function(argument)))
except Exception as error:
    sys.stdout.buffer.write(cloudpickle.dumps(f"there: {type(error).__name__}: {error}"))
"""


def there(function, argument):
    done = subprocess.run([sys.executable, "-c", OTHER], input=cloudpickle.dumps((function, argument)), capture_output=True)
    if done.returncode:
        return "there: " + done.stderr.decode().splitlines()[-1]
    try:
        return pickle.loads(done.stdout)
    except AttributeError as error:
        return f"back here: AttributeError: {error}"


class Point:
    __slots__ = ("x",)

    def __init__(self, x):
        self.x = x


class Sensor(enum.Enum):
    DOOR = (12, 0.5)

    def __init__(self, pin, gain):
        self.pin = pin


@functools.cache
def table(number):
    return number * 2


def has_dict(point):
    return hasattr(point, "__dict__")


def pin(sensor):
    return sensor.pin


def uses(x):
    return table(x)


seen = [there(has_dict, Point(1)), there(Point, 1), there(pin, Sensor.DOOR), there(uses, 21)]
print("here: ", [has_dict(Point(1)), "Point", pin(Sensor.DOOR), uses(21)])
print("there:", *seen, sep="\n  ")
right = (
    seen[0] is True
    and seen[1].startswith("back here: AttributeError")
    and "no attribute" in seen[2]
    and "table" in seen[3]
)
sys.exit(0 if right else "the behaviour changed")
END
venv/bin/python script.py
