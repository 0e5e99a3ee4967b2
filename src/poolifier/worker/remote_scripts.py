"""Scripts that a debugger has a worker run by `sys.remote_exec` (Python 3.14): in the middle of whatever task it runs.

An exception that is raised in one is printed and forgotten, so an abort of the task would be lost there.
"""

from __future__ import annotations

import sys

from poolifier.worker.bytecode import Code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Final

__all__ = ["is_remote_script"]

_EXISTS: Final = sys.version_info >= (3, 14)

_RUNS_TEXT: Final = frozenset({"exec", "eval"})


def is_remote_script(frame: FrameType) -> bool:
    """Whether such a script's outermost code runs in this frame.

    Its file's name is not told. It looks like what `exec` runs; but the code that it interrupts has called nothing, or
    something else. Where that calls `exec` as well, a script is taken for what that runs: the worker is ended if the
    task goes on.
    """
    if not _EXISTS or frame.f_code.co_name != "<module>" or frame.f_code.co_filename != "<string>":
        return False
    interrupted = frame.f_back
    if interrupted is None:
        return False
    called = Code(interrupted.f_code).is_call(interrupted.f_lasti)
    return not called or _RUNS_TEXT.isdisjoint(interrupted.f_code.co_names)
