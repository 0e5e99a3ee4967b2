"""The tables of the page on architecture, made from what the code goes by.

`python -m tests.docs.generated_tables` writes them anew.
"""

import ast
import inspect
import re
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import get_args

from poolifier.scheduler import effects, node, task
from poolifier.wire import messages
from tests.architecture.test_imports import BASE, ROOMS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "architecture.md"
MARKED = re.compile(r"(<!-- from the code: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def table(head, rows):
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, *rows)]
    lines.insert(1, "|---" * len(head) + "|")
    return "\n".join(lines)


def code(names):
    return ", ".join(f"`{name}`" for name in names)


def imports():
    """Lowest first, so a part imports from above."""
    order = list(TopologicalSorter({name: sorted(above) for name, above in ROOMS.items()}).static_order())

    def row(name):
        others = code(sorted(ROOMS[name] - BASE, key=order.index))
        words = "the shared words" if ROOMS[name] >= BASE else "nothing"
        return f"`{name}`", f"{words}, {others}" if others else words

    return table(("part", "may import"), map(row, sorted(ROOMS.keys() - BASE, key=order.index)))


def constants(module):
    """The public integers that a module names at its top, and what the string below each says of it."""
    source = ROOT / "src" / Path(*module.__name__.split(".")).with_suffix(".py")
    for statement, following in pairwise(ast.parse(source.read_text()).body):
        if isinstance(statement, ast.AnnAssign) and isinstance(getattr(statement.value, "value", None), int):
            if statement.target.id.startswith("_"):
                continue
            says = following.value.value if isinstance(following, ast.Expr) else ""
            yield statement.target.id, " ".join(says.split())


def states():
    rows = []
    for of, module in (("a task", task), ("a worker", node)):
        meanings = dict(constants(module))
        rows += [(of, f"`{name}`", meanings[name.upper()]) for name in module.STATE_NAMES]
    return table(("of", "state", "meaning"), rows)


def wanted():
    """What the scheduler leaves for the driver."""
    rows = [(f"`{effect.__name__}`", inspect.getdoc(effect)) for effect in get_args(effects.Effect)]
    return table(("effect", "what the driver is to do"), rows)


def opcodes():
    """The table of the module's docstring, which has to name every opcode."""
    lines = [line for line in messages.__doc__.splitlines() if line.startswith("|")]
    said = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return table(("message", "direction", "body"), [(code(names.split(", ")), *rest) for names, *rest in said])


TABLES = {"imports": imports, "states": states, "wanted": wanted, "opcodes": opcodes}


def renewed(page):
    return MARKED.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n\n{found[4]}", page)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
