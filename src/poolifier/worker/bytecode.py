"""The instructions of a code object, as far as it has to be told where an exception may be raised in them.

`co_code` has them without what specialisation, tracing and `sys.monitoring` make of them. Offsets are in bytes, as
those of `f_lasti`.
"""

from __future__ import annotations

import opcode
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType
    from typing import Final

__all__ = ["Code", "plain"]

UNIT: Final = 2
"""Bytes of an instruction, and of each of the cache entries that follow it."""

HAS_GAP: Final = sys.version_info[:2] == (3, 14)
"""Something may be raised between the return of `__enter__` and the body (python/cpython#148874)."""


def plain(ops: bytes, at: int) -> bool:
    """Whether the instruction is one that many frames stand at, and no end of a `with`.

    Quick, for stacks may be deep.
    """
    op = ops[at]
    if op == _CACHE:
        while op == _CACHE:
            at -= UNIT
            op = ops[at]
        if op in _CALL:
            # Python 3.11 has others between what is called and the call.
            return ops[at - 3 * UNIT] not in _BEFORE_SPECIAL_CALL
    if op in _CALL:
        return ops[at - UNIT] not in _BEFORE_SPECIAL_CALL
    return op not in _SPECIAL


def _numbers(*names: str) -> frozenset[int]:
    """Those of the instructions that this Python has."""
    return frozenset(opcode.opmap[name] for name in names if name in opcode.opmap)


_CACHE: Final = opcode.opmap["CACHE"]
_EXTENDED_ARG: Final = _numbers("EXTENDED_ARG")
_PADDING: Final = _numbers("CACHE", "PRECALL")
_CALL: Final = _numbers("CALL", "PRECALL")
_CALLS: Final = _numbers("CALL", "PRECALL", "CALL_KW", "CALL_FUNCTION_EX")
_CHECKS: Final = _CALLS | _numbers("JUMP_BACKWARD")
_RESUME: Final = _numbers("RESUME")
_LOADS: Final = _numbers("LOAD_CONST", "LOAD_COMMON_CONSTANT")
_LOAD_SPECIAL: Final = _numbers("LOAD_SPECIAL")
_BEFORE: Final = _numbers("BEFORE_WITH", "BEFORE_ASYNC_WITH")
_EXCEPT_START: Final = _numbers("WITH_EXCEPT_START")
_PUSH_EXC_INFO: Final = _numbers("PUSH_EXC_INFO")
_GET_AWAITABLE: Final = _numbers("GET_AWAITABLE")
_SEND: Final = _numbers("SEND")
_RAISES: Final = _numbers("RAISE_VARARGS", "RERAISE", "CLEANUP_THROW") | _EXCEPT_START
_LEAVES: Final = _numbers("RETURN_VALUE", "RETURN_CONST", "YIELD_VALUE", "RETURN_GENERATOR")
_BACK: Final = _numbers("JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT")
_ALWAYS_JUMPS: Final = _numbers("JUMP_FORWARD") | _BACK
_JUMPS: Final = frozenset(opcode.hasjrel) - _numbers("END_ASYNC_FOR")

_SPECIAL: Final = _BEFORE | _EXCEPT_START | _SEND | _RESUME
_BEFORE_SPECIAL_CALL: Final = _LOAD_SPECIAL | _LOADS | _PADDING
_ENTER: Final = 0
_AENTER: Final = 2
"""What `LOAD_SPECIAL` loads."""

_ENTER_AWAITED: Final = 1
_EXIT_AWAITED: Final = 2
"""What `GET_AWAITABLE` is told at the beginning and at the end of an `async with`."""

_IS_AWAITED_LATER: Final = 2
"""What `RESUME` is told after `yield from` and `await`, where Python does not look for anything."""


class Code:
    """The instructions of a code object."""

    __slots__ = ("_code", "_ops")

    def __init__(self, code: CodeType) -> None:
        self._code = code
        self._ops = code.co_code

    def start(self, at: int) -> int:
        """Where the instruction begins that a frame stands at.

        (Python 3.11 stands at its last cache entry while another frame is at work for it.)
        """
        while at and self._ops[at] == _CACHE:
            at -= UNIT
        return at

    def after(self, at: int) -> int:
        """Where the next one begins."""
        ops = self._ops
        at += UNIT
        while at < len(ops) and ops[at] == _CACHE:
            at += UNIT
        return at

    def ends(self, at: int) -> bool:
        """Whether there is none."""
        return at >= len(self._ops)

    def jump(self, at: int) -> int | None:
        """Where it jumps to, or may; None for one that does not."""
        ops = self._ops
        if ops[at] not in _JUMPS:
            return None
        distance, shift, before = ops[at + 1], 8, at - UNIT
        while before >= 0 and ops[before] in _EXTENDED_ARG:
            distance |= ops[before + 1] << shift
            shift, before = shift + 8, before - UNIT
        return self.after(at) + (-distance if ops[at] in _BACK else distance) * UNIT

    def always_jumps(self, at: int) -> bool:
        """Whether the next one is never reached from here."""
        return self._ops[at] in _ALWAYS_JUMPS

    def jumps_back(self, at: int) -> bool:
        """Whether it is the end of a loop."""
        return self._ops[at] in _CHECKS and self._ops[at] not in _CALLS

    def is_call(self, at: int) -> bool:
        """Whether it is a call."""
        return self._ops[at] in _CALLS

    def looks(self, at: int) -> bool:
        """Whether Python looks here for signals and asynchronous exceptions."""
        op = self._ops[at]
        return op in _CHECKS or (op in _RESUME and self._ops[at + 1] & 3 < _IS_AWAITED_LATER)

    def may_not_look(self, at: int) -> bool:
        """Whether there are cases in which it does not look: there are for some functions written in C."""
        return self.is_call(at)

    def raises(self, at: int) -> bool:
        """Whether it goes on in the handler of an exception."""
        return self._ops[at] in _RAISES

    def leaves(self, at: int) -> bool:
        """Whether it goes on in the frame that called this."""
        return self._ops[at] in _LEAVES

    def is_enter_call(self, at: int) -> bool:
        """Whether `__enter__` is called here, and something may be raised at the end of that."""
        return HAS_GAP and self._follows_special(at, _ENTER)

    def is_exit_call(self, at: int) -> bool:
        """Whether `__exit__` is called here, or `__aexit__`, at the end of a body in good order."""
        ops = self._ops
        if ops[at] not in _CALL:
            return False
        start = at
        loaded: set[tuple[int, int]] = set()
        for _ in range(3):
            start -= UNIT
            while start > 0 and ops[start] in _PADDING:
                start -= UNIT
            if start < 0 or ops[start] not in _LOADS:
                return False
            loaded.add((ops[start], ops[start + 1]))
            while start >= UNIT and ops[start - UNIT] in _EXTENDED_ARG:
                start -= UNIT
        if len(loaded) > 1:
            return False
        # A call of any function may look like that. But a body ends here, with at most what is returned put aside.
        ends = {start, start - UNIT, start - 2 * UNIT}
        return any(
            end in ends and ops[handler] in _PUSH_EXC_INFO and ops[handler + UNIT] in _EXCEPT_START
            for _, end, handler, _ in self._exception_table()
        )

    def is_exit_call_awaited(self, at: int) -> bool:
        """Whether that is one of `__aexit__`: what it returns has to be awaited."""
        if self._ops[at] not in _CALL:
            return False
        after = self.after(at)
        return self._ops[after] in _GET_AWAITABLE and self._ops[after + 1] == _EXIT_AWAITED and self.is_exit_call(at)

    def begins_function(self, at: int) -> bool:
        """Whether nothing of the function has been done."""
        return self._ops[at] in _RESUME and not self._ops[at + 1] & 3

    def enters(self, at: int) -> bool:
        """Whether a frame that is called from here belongs to the beginning of a `with` or `async with`."""
        return (
            self._ops[at] in _BEFORE
            or self._follows_special(at, _ENTER)
            or self._follows_special(at, _AENTER)
            or self._awaits(at, _ENTER_AWAITED)
        )

    def exits(self, at: int) -> bool:
        """Whether a frame that is called from here belongs to the end of a `with` or `async with`."""
        return self._ops[at] in _EXCEPT_START or self.is_exit_call(at) or self._awaits(at, _EXIT_AWAITED)

    def depth(self, at: int) -> int | None:
        """How many values are on the stack when the handler begins that is in charge here; None: there is none."""
        for start, end, _, depth in self._exception_table():
            if start <= at < end:
                return depth
        return None

    def _awaits(self, at: int, end: int) -> bool:
        """Whether that is awaited here: not long before, it was made an awaitable."""
        ops = self._ops
        return ops[at] in _SEND and any(
            at >= back and ops[at - back] in _GET_AWAITABLE and ops[at - back + 1] == end
            for back in (2 * UNIT, 3 * UNIT)
        )

    def _follows_special(self, at: int, special: int) -> bool:
        ops = self._ops
        return at >= UNIT and ops[at] in _CALL and ops[at - UNIT] in _LOAD_SPECIAL and ops[at - 1] == special

    def _exception_table(self) -> Iterator[tuple[int, int, int, int]]:
        """Start, end, handler and depth of each entry (CPython's `InternalDocs/exception_handling.md`)."""
        entries = iter(self._code.co_exceptiontable)

        def number(first: int) -> int:
            value = first & 63
            while first & 64:
                first = next(entries)
                value = value << 6 | first & 63
            return value

        for first in entries:
            start = number(first) * UNIT
            end = start + number(next(entries)) * UNIT
            handler = number(next(entries)) * UNIT
            yield start, end, handler, number(next(entries)) >> 1
