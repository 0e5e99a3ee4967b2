"""Counts the words of a tree of texts: `python examples/count_words.py PATH [--top 20] [--pattern '*.txt']`.

Each worker process reads and counts one file at a time, and sends back what it counted, not the text. Files are looked
for while others are counted, and results are added up as they come, so a tree of any size takes the memory of its
vocabulary. Files that cannot be read are named at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from poolifier import FixedProcessPool

WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
"""Letters of any script, and what is joined to them by an apostrophe."""


class Counted(NamedTuple):
    """What was found in one file, or why it could not be read."""

    path: str
    words: dict[str, int]
    problem: str


# The work ------------------------------------------------------------------------------------------------------------


def count(path: str) -> Counted:
    """Counts the words of one file. This is the task function: it runs in the workers."""
    words: Counter[str] = Counter()
    try:
        with Path(path).open(encoding="utf-8") as lines:
            for line in lines:
                words.update(WORD.findall(line.casefold()))
    except (OSError, UnicodeDecodeError) as error:
        return Counted(path, {}, f"{type(error).__name__}: {error}")
    return Counted(path, dict(words), "")


# The pool ------------------------------------------------------------------------------------------------------------


async def count_all(root: Path, pattern: str, workers: int) -> tuple[Counter[str], int, dict[str, str]]:
    """Counts all files under `root`; returns the sum, how many they were, and those that could not be read."""
    total: Counter[str] = Counter()
    problems: dict[str, str] = {}
    files = 0
    async with FixedProcessPool[str, Counted](workers, count) as pool:
        # Reading a file twice does no harm: it is tried again where its worker dies.
        async for counted in pool.map_unordered(files_under(root, pattern), retries=1):
            files += 1
            if counted.problem:
                problems[counted.path] = counted.problem
            for word, times in counted.words.items():
                total[word] += times
    return total, files, problems


def files_under(root: Path, pattern: str) -> Iterator[str]:
    """The files of the tree, found while they are asked for."""
    return (str(path) for path in root.rglob(pattern) if path.is_file())


def main() -> None:
    """Counts, and prints the most frequent words."""
    parser = argparse.ArgumentParser(description="Count the words of a tree of texts.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--top", type=int, default=20)
    parser.add_argument("--pattern", default="*.txt")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    total, files, problems = asyncio.run(count_all(arguments.path, arguments.pattern, arguments.workers))
    for word, times in sorted(total.items(), key=lambda item: (-item[1], item[0]))[: arguments.top]:
        print(f"{times:>12,}  {word}")
    print(f"{total.total():,} words, {len(total):,} different ones, in {files - len(problems):,} files")
    for path, problem in sorted(problems.items()):
        print(f"not read: {path}: {problem}", file=sys.stderr)


if __name__ == "__main__":
    main()
