"""What a kind cannot do is in one table, raises where it is asked for, and stands in the docs."""

import re
from pathlib import Path

import pytest

from poolifier import UnsupportedError
from poolifier.pool.kinds.unsupported import UNSUPPORTED
from tests.contract.conftest import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "kinds.md"
VALUES = {"max_memory_per_worker": 1 << 30}
HERE = [kind.name for kind in KINDS]
ROWS = [(kind, option) for kind, options in UNSUPPORTED.items() for option in options if kind in HERE]


def test_every_kind_has_its_entry():
    assert set(HERE) <= set(UNSUPPORTED)


@pytest.mark.parametrize(("name", "option"), ROWS)
def test_it_raises(name, option):
    (kind,) = (kind for kind in KINDS if kind.name == name)
    message = re.escape(
        f"{option} must be None for {name} workers, got {VALUES[option]!r}: {UNSUPPORTED[name][option]}"
    )
    with pytest.raises(UnsupportedError, match=message):
        kind.fixed(1, len, **{option: VALUES[option]})


def test_other_kinds_take_it():
    for kind in KINDS:
        for option, value in VALUES.items():
            if option not in UNSUPPORTED[kind.name]:
                kind.fixed(1, len, **{option: value})


def test_the_docs_print_the_table():
    listed = re.findall(r"^\| (\w+) \| `(\w+)` \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
    assert listed == [(name, option, why) for name, options in UNSUPPORTED.items() for option, why in options.items()]
