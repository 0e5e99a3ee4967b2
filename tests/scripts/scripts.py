"""Makes whole programs of the fragments of the corpus, and runs them."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"

ROLES = """

GLOBAL_{name} = make_{name}(2)


def in_a_global_{name}(x):
    return use_{name}(GLOBAL_{name})


def in_a_default_{name}(x, value=make_{name}(2)):
    return use_{name}(value)


def in_an_error_{name}(x):
    raise RoleError(make_{name}(x))


def in_a_closure_{name}(value):
    def work(x):
        return use_{name}(value)

    return work


def of_an_initializer_{name}(x):
    return use_{name}(ROLE_HELD["{name}"])


def of_initargs_{name}(x):
    return use_{name}(ROLE_GIVEN["{name}"])


def made_and_used_{name}(x):
    return use_{name}(make_{name}(x))
"""

FRAME = """

class RoleError(Exception):
    pass


class RoleHolder:
    def __init__(self, use, value):
        self.use, self.value = use, value

    def __call__(self, x):
        return self.use(self.value)

    def method(self, x):
        return self.use(self.value)


ROLE_MAKERS = {{{makers}}}
ROLE_HELD = {{}}
ROLE_GIVEN = None


def hold(names, given):
    global ROLE_GIVEN
    ROLE_GIVEN = given
    ROLE_HELD.update({{name: ROLE_MAKERS[name](3) for name in names}})


def itself(value):
    return value


def main():
    from functools import partial

    from tests.scripts import comparison
    from tests.scripts.comparison import Case, of_a_copy

    names = {names}
    given = comparison.can_be_pickled({{name: ROLE_MAKERS[name](3) for name in names}})
    cases = []
{cases}
    comparison.main(cases, hold, (names, given), {kinds})


if __name__ == "__main__":
    main()
"""


def constructs(source):
    """The names of a fragment that a program is made of: those that are made and used, and the task functions."""
    names = set()
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    made = sorted(name.removeprefix("make_") for name in names if name.startswith("make_"))
    assert all(f"use_{name}" in names for name in made)
    return made, sorted(name for name in names if name.startswith("work_"))


def program(source, kinds):
    """A script of that source which runs all that it holds on these kinds, in every role."""
    made, works = constructs(source)
    cases = [f"    cases.append(Case({name!r}, {name}, (3,)))" for name in works]
    for name in made:
        for role, function, args in (
            ("as argument", f"use_{name}", f"(make_{name}(3),)"),
            ("as result", f"make_{name}", "(3,)"),
            ("there and back", "itself", f"(make_{name}(3),)"),
            ("made and used", f"made_and_used_{name}", "(3,)"),
            ("in a global", f"in_a_global_{name}", "(3,)"),
            ("in a default", f"in_a_default_{name}", "(3,)"),
            ("in an error", f"in_an_error_{name}", "(3,)"),
            ("in a closure", f"in_a_closure_{name}(make_{name}(3))", "(3,)"),
            ("of an initializer", f"of_an_initializer_{name}", "(3,)"),
            ("in a partial", f"partial(use_{name}, make_{name}(3))", "()"),
            ("in a callable", f"RoleHolder(use_{name}, make_{name}(3))", "(3,)"),
            ("in a bound method", f"RoleHolder(use_{name}, make_{name}(3)).method", "(3,)"),
        ):
            copied = role in ("in a global", "in a default", "in a closure")
            alike = f", partial(of_a_copy, use_{name}, make_{name}({3 if 'closure' in role else 2}))" if copied else ""
            cases.append(f"    cases.append(Case({f'{name} {role}'!r}, {function}, {args}{alike}))")
        cases.append(f"    if {name!r} in given:")
        cases.append(f"        cases.append(Case('{name} of initargs', of_initargs_{name}, (3,)))")
    makers = ", ".join(f"{name!r}: make_{name}" for name in made)
    frame = FRAME.format(makers=makers, cases="\n".join(cases), names=made, kinds=list(kinds))
    return source + "".join(ROLES.format(name=name) for name in made) + frame


def environment():
    """What lets a program find the tests, without their settings."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent.parent), os.environ.get("PYTHONPATH", "")])}


def run(path, *arguments, timeout=600, env=None, stdin=None, cwd=None, options=()):
    """Runs a program, and gives what it printed; where it fails, the test does, with all of that."""
    done = subprocess.run(
        [sys.executable, *options, str(path), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        cwd=cwd or Path(path).parent,
        env=environment() | (env or {}),
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
    return done


def compared(path, source, kinds, **options):
    """What came of each case of a fragment on each kind: `{kind: {case: what}}`."""
    path.write_text(program(source, kinds))
    [found] = outcomes(run(path, **options).stdout)
    return found


def outcomes(printed):
    """What programs that ran one after the other have printed."""
    found = []
    for line in printed.splitlines():
        if line.startswith('{"program"'):
            found.append({})
        elif line.startswith('{"kind"'):
            told = json.loads(line)
            found[-1][told["kind"]] = told["outcomes"]
    return found


def differences(found, kind):
    """What a kind makes of cases other than what a process made of them that imported the script."""
    different = []
    for name, seen in found[kind].items():
        case = name.removesuffix(" of the constructor").removesuffix(" in a map")
        here, imported = found["here"][case], found["spawn"].get(case, "cannot travel")
        shared = kind in ("thread", "futures-thread")
        expected = here if shared else imported
        if not shared and seen == found["here"].get(f"{case}, of a copy"):
            continue
        # What spawn cannot carry is right if it comes as it is here; so is what only fails where the script is imported.
        if seen in (expected, here) and (seen == expected or imported.startswith(("cannot travel", "raised"))):
            continue
        # An error that cannot travel is told as a RemoteError.
        refused = seen.startswith(("cannot travel", "raised: RemoteError"))
        if refused and imported.startswith("cannot travel") and not shared:
            continue
        different.append(f"{kind}: {name}\n  expected {expected}\n  seen     {seen}")
    return different
