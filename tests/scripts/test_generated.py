"""Classes that are composed at random, on every kind of pool as where the script is imported."""

import pytest

from tests.scripts import generated, scripts
from tests.scripts.test_corpus import KINDS


def check(path, seed, count):
    kinds = ["spawn", *sorted(KINDS, key=lambda kind: "thread" in kind), "here"]
    source = generated.fragment(seed, count)
    found = scripts.compared(path, source, kinds)
    assert len(found["spawn"]) >= 12 * count
    different = [line for kind in KINDS for line in scripts.differences(found, kind)]
    assert different == [], f"{len(different)} differ; the script: {path}\n" + "\n".join(different[:40])


@pytest.mark.parametrize("seed", range(2))
def test_classes(tmp_path, seed):
    check(tmp_path / "script.py", seed, 20)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 40))
def test_many_classes(tmp_path, seed):
    check(tmp_path / "script.py", seed, 40)


def test_a_seed_gives_the_same_again():
    assert generated.fragment(7) == generated.fragment(7) != generated.fragment(8)
