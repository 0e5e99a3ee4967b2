"""The counts over a tree of texts are those that the tree was made of."""

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

SCRIPT = Path(__file__).parents[2] / "examples" / "count_words.py"


def run(*arguments):
    command = [sys.executable, "-W", "error", SCRIPT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_a_large_tree(tmp_path):
    random.seed(7)
    vocabulary = [f"{first}{second}" for first in "abcdefghij" for second in ("ab", "ér", "ш", "don't", "ß")]
    weights = range(1, len(vocabulary) + 1)
    total = Counter()
    for number in range(600):
        words = random.choices(vocabulary, weights, k=random.choice([0, 10, 1_000]))
        total.update(words)
        path = tmp_path / f"{number % 7}" / f"{number % 13}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = " ".join(word.upper() if "ß" not in word and number % 2 else word for word in words)
        path.write_text(text.replace(" ", ",\n"), encoding="utf-8")
    (tmp_path / "0" / "other.csv").write_text("not counted")
    (tmp_path / "0" / "latin-1.txt").write_bytes(b"caf\xe9")
    (tmp_path / "folder.txt").mkdir()

    done = run(tmp_path, "--top", 50, "--workers", 2)

    assert done.returncode == 0, done.stderr
    *lines, summary = done.stdout.splitlines()
    # Case folding makes "ss" of "ß".
    expected = {word.casefold(): times for word, times in total.items()}
    counted = {word: int(times.replace(",", "")) for times, word in (line.split() for line in lines)}
    assert counted == expected
    assert list(counted.values()) == sorted(expected.values(), reverse=True)
    assert summary == f"{total.total():,} words, {len(expected)} different ones, in 600 files"
    assert done.stderr.startswith(f"not read: {tmp_path}/0/latin-1.txt: UnicodeDecodeError: ")
    assert len(done.stderr.splitlines()) == 1


def test_an_empty_tree(tmp_path):
    done = run(tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, "0 words, 0 different ones, in 0 files\n", "")
