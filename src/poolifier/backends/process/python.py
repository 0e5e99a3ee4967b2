"""Which program runs Python for the workers, and what to say where none does."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from typing import Any, Final

from poolifier.backends.process.boot import Interpreter
from poolifier.errors import UnsupportedError

__all__ = ["interpreter", "is_no_python", "is_trusted", "stray"]

_PYTHON: Final = re.compile(r"python|pypy|graalpy", re.IGNORECASE)


def interpreter(executable: str | None) -> Interpreter:
    """How to start an interpreter like this one, or the given one.

    Without one it is that of `multiprocessing.set_executable`, where the program has called this, or `sys.executable`.

    Raises:
        UnsupportedError: There is no such program.
    """
    frozen = executable is None and _is_frozen()
    program = os.fsdecode(executable or _of_multiprocessing() or sys.executable or "")
    if not program:
        raise UnsupportedError(
            "process workers need a Python to run, and in this program, which embeds Python, sys.executable is "
            f"{sys.executable!r}: name one by the option executable, such as executable='/usr/bin/python3'"
        )
    if frozen:
        return Interpreter([program], frozen=True)
    return Interpreter([program, *_options()])


def _options() -> list[str]:
    """The options that this Python was started with."""
    # Also used by multiprocessing; there is no public way to it.
    options: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    # Before Python 3.14 it leaves out most of what was given by -X.
    for name, value in sorted(sys._xoptions.items()):
        option = name if value is True else f"{name}={value}"
        if option not in options and name != "dev":
            options += ["-X", option]
    return options


def is_trusted(started: Interpreter) -> bool:
    """Whether it is surely a Python, which takes as long to begin as it takes."""
    return not started.frozen and _PYTHON.search(os.path.basename(started.command[0])) is not None  # noqa: PTH119


def stray(started: Interpreter, what: str, stderr: str = "") -> UnsupportedError:
    """The error where a program was started and did not become what it was started for; `what` says what it did."""
    program = started.command[0]
    if started.frozen:
        advice = (
            "this program is frozen, and is started again for its workers: call multiprocessing.freeze_support() first "
            "thing in its main script, or freeze it with PyInstaller, for which poolifier brings a hook"
        )
    else:
        advice = (
            "if that is no Python but a program that embeds it, name one that has the same packages by the option "
            "executable, such as executable='/usr/bin/python3'"
        )
    text = f"process workers cannot be started, because {program} {what}; {advice}"
    return UnsupportedError(f"{text}\nthe last lines of its standard error:\n{stderr}" if stderr else text)


def is_no_python(error: OSError) -> bool:
    """Whether a program could not be started because of what it is, not because the system has no room."""
    return isinstance(error, FileNotFoundError | NotADirectoryError | PermissionError) or error.errno in _NO_PROGRAM


_NO_PROGRAM: Final = frozenset({errno.ENOEXEC})


def _is_frozen() -> bool:
    # Nuitka does not set `sys.frozen` everywhere; what it compiles has this name.
    return bool(getattr(sys, "frozen", False)) or "__compiled__" in vars(sys.modules["__main__"])


def _of_multiprocessing() -> str | None:
    spawn: Any = sys.modules.get("multiprocessing.spawn")
    given = None if spawn is None else spawn.get_executable()
    return os.fsdecode(given) if given else None
