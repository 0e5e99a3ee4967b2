"""Whether an asynchronous exception that is set now is raised where it does no harm to a `with` statement.

Python looks for them at the end of calls, where functions begin, and at the end of loops. That is also where a thread
that computes lets others run. Until Python 3.12 it looks after it has let them run, so what one of them sets is raised
there. Since Python 3.13 it looks before whether there is anything to do, and what is set meanwhile is raised at the
next such place, which its instructions tell. Where a call waits and lets others run, it is the end of that call.

It does no harm at the beginning of an `__enter__` or `__exit__` that is written in Python, which has done nothing then:
`__exit__` can be called again (see `missed_exit`).
"""

from __future__ import annotations

import sys

from poolifier.worker.bytecode import Code
from poolifier.worker.with_statements import enters_without_with, has_returned, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Final

__all__ = ["raised_without_harm"]

_RAISES_LATER: Final = sys.version_info >= (3, 13)

_GENERATOR: Final = 0x20
"""A flag of code objects; `inspect` has it by name."""

_MOST: Final = 1000
"""Instructions that are looked at."""


def raised_without_harm(frame: FrameType, *, in_place: bool, visited: bool = False) -> bool:
    """Whether it is, where its thread stands in that frame.

    `in_place` says whether that is where a `with` statement is being entered or left; `visited`, that Python looks
    there at this moment, and that what is set now is raised at the next such place.
    """
    if not _RAISES_LATER:
        return not in_place
    code = Code(frame.f_code)
    if frame.f_lasti >= 0 and code.is_call(frame.f_lasti):
        returned = has_returned(frame)
        if returned is False and not visited:
            return not in_place
        if not returned and in_place:
            # It may be a visit by the garbage collector, which runs in the middle of calls, too.
            return False
    return _next_is_harmless(frame)


def _next(code: Code, at: int) -> int:
    target = code.jump(at) if code.jumps_back(at) else None
    return code.after(at) if target is None else target


def _next_is_harmless(frame: FrameType | None) -> bool:
    left = _MOST
    called = False
    while frame is not None:
        code = Code(frame.f_code)
        is_within = enters_without_with(frame) or place(frame.f_back, calling=True) is not None
        at = code.start(max(frame.f_lasti, 0))
        waiting = [_next(code, at) if called or code.looks(at) else at]
        seen: set[int] = set()
        leaves = False
        while waiting:
            at = waiting.pop()
            while at not in seen:
                seen.add(at)
                left -= 1
                if not left or code.ends(at):
                    return False
                if code.looks(at):
                    if is_within or code.is_enter_call(at) or code.is_exit_call_awaited(at):
                        return False
                    if not code.may_not_look(at) or code.exits(at):
                        break
                elif code.enters(at) or code.raises(at):
                    break
                if code.leaves(at):
                    leaves = True
                    break
                target = code.jump(at)
                if target is not None:
                    waiting.append(target)
                    if code.always_jumps(at):
                        break
                at = code.after(at)
        if not leaves:
            return True
        # On in the frame that called it. Where a function written in C did, as `next`, Python looks at the end of that.
        is_called_from_c = frame.f_code.co_flags & _GENERATOR
        frame, called = frame.f_back, True
        if (
            is_called_from_c
            and frame is not None
            and (enters_without_with(frame) or place(frame.f_back, calling=True) is not None)
        ):
            return False
    return True
