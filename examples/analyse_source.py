"""Measures Python source on every CPU: `python examples/analyse_source.py [PATH]`.

Parses every Python file under PATH (Python's own standard library, if you name none) on a pool of processes, and
shows what it found: how much code there is, and which functions are the hardest to follow.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import os
import sys
import sysconfig
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict, TypeVar

from poolifier import FixedProcessPool, PoolifierError

Item = TypeVar("Item")


class Function(TypedDict):
    """What is known of a function: a plain dict, which costs next to nothing on its way back from a worker."""

    complexity: int
    lines: int
    name: str
    where: str


class Source(TypedDict):
    """What is known of a file."""

    lines: int
    classes: int
    functions: list[Function]


# The work ------------------------------------------------------------------------------------------------------------


def measure(path: str) -> Source:
    """Measures one file. This is the task function: it runs in the workers."""
    code = Path(path).read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the compiler thinks of other people's string escapes
        tree = ast.parse(code, path)
    functions: list[Function] = []
    classes = 0
    # Nodes still to see, each with the names around it and the function that its decisions count for. A list and not
    # recursion: source is nested deeper than Python likes to call.
    waiting: list[tuple[ast.AST, str, Function | None]] = [(tree, "", None)]
    while waiting:
        node, scope, function = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{scope}{node.name}"
            if isinstance(node, ast.ClassDef):
                classes += 1
            else:
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                found: Function = {"complexity": 1, "lines": lines, "name": name, "where": f"{path}:{node.lineno}"}
                functions.append(found)
                function = found
            scope = f"{name}."
        elif function is not None:
            function["complexity"] += decisions(node)
        waiting.extend((child, scope, function) for child in ast.iter_child_nodes(node))
    return {"lines": len(code.splitlines()), "classes": classes, "functions": functions}


def decisions(node: ast.AST) -> int:
    """How many ways through the code this node adds: McCabe's cyclomatic complexity is one more than their sum."""
    match node:
        case ast.If() | ast.IfExp() | ast.For() | ast.AsyncFor() | ast.While() | ast.ExceptHandler() | ast.Assert():
            return 1
        case ast.BoolOp(values=values):  # `a and b and c` may stop in two places
            return len(values) - 1
        case ast.comprehension(ifs=ifs):  # a loop, and its conditions
            return 1 + len(ifs)
        case ast.match_case(pattern=ast.MatchAs(pattern=None), guard=None):  # `case _` is the else of the rest
            return 0
        case ast.match_case(guard=guard):
            return 1 if guard is None else 2
        case _:
            return 0


# The pool ------------------------------------------------------------------------------------------------------------

# What a file may do to its parser. `PoolifierError` covers the worst: a file that ends the interpreter that reads it.
UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError, OSError, PoolifierError)


async def measure_all(paths: list[str], workers: int) -> tuple[dict[str, Source], dict[str, Exception]]:
    """Measures the files on a pool; returns what was found, and what went wrong instead."""
    found: dict[str, Source] = {}
    failed: dict[str, Exception] = {}

    async with FixedProcessPool[str, Source](workers, measure) as pool:

        async def one(path: str) -> None:
            try:
                found[path] = await pool.execute(path)
            except UNREADABLE as error:
                failed[path] = error

        for done in progress(asyncio.as_completed([one(path) for path in paths]), len(paths), "pool"):
            await done
    return found, failed


def measure_inline(paths: list[str]) -> dict[str, Source]:
    """Measures the files one after another, here: what there is to compare with."""
    return {path: measure(path) for path in progress(paths, len(paths), "inline")}


# The rest ------------------------------------------------------------------------------------------------------------


def main() -> None:
    """Finds the files, measures them twice and prints what came out."""
    parser = argparse.ArgumentParser(description="Measure Python source on every CPU.")
    parser.add_argument("path", nargs="?", type=Path, help="a file or folder (default: the standard library)")
    root = parser.parse_args().path or Path(sysconfig.get_path("stdlib"))
    paths = source_files(root)
    if not paths:
        sys.exit(f"no Python files in {root}")
    workers = cpu_count()

    started = time.perf_counter()
    found, failed = asyncio.run(measure_all(paths, workers))
    on_pool = time.perf_counter() - started

    # Only what could be read, which is a head start for the one and not for the other.
    started = time.perf_counter()
    inline = measure_inline(list(found))
    elapsed = time.perf_counter() - started

    print_report(root, found, failed)
    same = "the same results" if inline == found else "OTHER RESULTS"
    print(f"\n{workers} worker processes took {on_pool:.2f} s, start-up included.")
    print(f"Inline it took {elapsed:.2f} s, {elapsed / on_pool:.2f} times as long, for {same}.")


def source_files(root: Path) -> list[str]:
    """The Python files under `root`, biggest first, so that no big one is left for the end; not those of packages."""
    files = [root] if root.is_file() else [path for path in root.rglob("*.py") if path.is_file()]
    packages = {"site-packages", "dist-packages"}
    own = [path for path in files if packages.isdisjoint(path.relative_to(root).parts)]
    return [str(path) for path in sorted(own, key=lambda path: (-path.stat().st_size, path))]


def cpu_count() -> int:
    """The CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def progress(items: Iterable[Item], total: int, label: str) -> Iterable[Item]:
    """Shows a progress bar while `items` are gone through, on a terminal and where tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:  # pip install 'poolifier[progress]'
        return items
    return tqdm(items, total=total, desc=f"{label:>6}", unit=" files", disable=None)


def print_report(root: Path, found: dict[str, Source], failed: dict[str, Exception]) -> None:
    """Prints sums, the ten most complex functions, the longest one, and the files that could not be read."""
    functions = [function for source in found.values() for function in source["functions"]]
    lines = sum(source["lines"] for source in found.values())
    classes = sum(source["classes"] for source in found.values())
    print(f"{root}: {len(found):,} files, {lines:,} lines, {len(functions):,} functions, {classes:,} classes")

    if functions:
        print("\n  complexity  lines  function")
        # Equals in the order of their places, so that two runs print the same.
        for function in sorted(functions, key=lambda function: (-function["complexity"], function["where"]))[:10]:
            print(f"  {function['complexity']:>10}  {function['lines']:>5}  {describe(function, root)}")
        longest = max(functions, key=lambda function: function["lines"])
        print(f"\nThe longest function has {longest['lines']:,} lines: {describe(longest, root)}")

    if failed:
        print(f"\n{len(failed)} files could not be read:")
        for path, error in sorted(failed.items()):
            reason = (str(error).splitlines() or [""])[0]
            print(f"  {relative(path, root)}: {type(error).__name__}: {reason}")


def describe(function: Function, root: Path) -> str:
    """A function's name and place."""
    return f"{function['name']} ({relative(function['where'], root)})"


def relative(where: str, root: Path) -> str:
    """A place as seen from the folder that is measured."""
    return where.removeprefix(f"{root}{os.sep}")


# No pool of poolifier needs this guard: its workers never import this file. It is here so that others can.
if __name__ == "__main__":
    main()
