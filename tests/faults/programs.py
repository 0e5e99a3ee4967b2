"""Programs that are run as users run them, in processes of their own."""

import subprocess
import sys
import textwrap
from pathlib import Path

__all__ = ["run_program"]

_LATE = 300
"""Seconds after which a program is taken to hang. Some start four kinds of pools, which is many starts of Python: where
others want the CPUs as well, these alone have taken a minute.
"""


class Program:
    """What became of a program.

    Attributes:
        said: The lines of its report, which it writes by `say`, for its standard streams may be anything.
        errors: What it wrote to standard error.
        code: Its exit code, negative where a signal ended it.
    """

    def __init__(self, said, errors, code):
        self.said = said
        self.errors = errors
        self.code = code

    def __repr__(self):
        return f"exit code {self.code}; said {self.said}; standard error: {self.errors}"


_BEGIN = """
def say(*words, _path={report!r}):
    with open(_path, "a") as report:
        print(*words, file=report)
"""


def run_program(directory, source, *arguments, flags=(), executable=sys.executable, **options):
    """Runs a Python program, which can `say` something, and waits for its end, for it must have one."""
    script, report = Path(directory) / "program.py", Path(directory) / "report.txt"
    script.write_text(_BEGIN.format(report=str(report)) + textwrap.dedent(source))
    report.unlink(missing_ok=True)
    try:
        done = subprocess.run(
            [executable, *flags, str(script), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LATE,
            check=False,
            **options,
        )
    except subprocess.TimeoutExpired as error:
        # How far it came tells a program that hangs from one that has not got the time.
        error.add_note(f"said by then: {report.read_text().splitlines() if report.exists() else []}")
        raise
    said = report.read_text().splitlines() if report.exists() else []
    return Program(said, done.stderr.decode("utf-8", "replace"), done.returncode)
