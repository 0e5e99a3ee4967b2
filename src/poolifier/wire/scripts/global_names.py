"""Which globals a function's code names, its nested functions' and class bodies' included."""

from __future__ import annotations

import sys
from opcode import opmap
from types import CodeType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["global_names", "submodules"]

_SHIFTED: Final = opmap["LOAD_GLOBAL"]
"""Its argument has a flag beside the name."""

_OPCODES: Final = frozenset(
    opmap[name]
    for name in (
        "LOAD_GLOBAL",
        "STORE_GLOBAL",
        "DELETE_GLOBAL",
        # Of class bodies and of annotations, whose names may be local, but need not.
        "LOAD_NAME",
        "LOAD_FROM_DICT_OR_GLOBALS",
    )
    if name in opmap
)
_EXTENDED: Final = opmap["EXTENDED_ARG"]


def global_names(code: CodeType) -> dict[str, None]:
    """The names, in the order in which they come.

    Its attributes and local imports stand in `co_names` as well, so the instructions are looked at.
    """
    found: dict[str, None] = {}
    waiting = [code]
    while waiting:
        one = waiting.pop()
        names, instructions = one.co_names, one.co_code
        above = 0
        for at in range(0, len(instructions), 2):
            opcode = instructions[at]
            if opcode == _EXTENDED:
                above = (above | instructions[at + 1]) << 8
                continue
            if opcode in _OPCODES:
                index = above | instructions[at + 1]
                found[names[index >> 1 if opcode == _SHIFTED else index]] = None
            above = 0
        waiting.extend(constant for constant in one.co_consts if isinstance(constant, CodeType))
    return found


def submodules(code: CodeType, package: str) -> list[str]:
    """Loaded modules below a package that the code names: `import a.b` binds `a`, and `a.b` has to be there."""
    named: set[str] = set()
    waiting = [code]
    while waiting:
        one = waiting.pop()
        named.update(one.co_names)
        waiting.extend(constant for constant in one.co_consts if isinstance(constant, CodeType))
    prefix = f"{package}."
    return [
        name
        for name in list(sys.modules)
        if name.startswith(prefix) and set(name[len(prefix) :].split(".")) <= named and sys.modules[name] is not None
    ]
