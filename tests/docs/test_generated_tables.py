"""The tables that are made from the code are those that it would make now."""

import re

from poolifier.wire import messages
from tests.docs.generated_tables import MARKED, PAGE, TABLES, constants, opcodes, renewed


def test_the_page_has_them_all():
    assert [name for _, name, _, _ in MARKED.findall(PAGE.read_text())] == list(TABLES)


def test_they_are_up_to_date():
    assert PAGE.read_text() == renewed(PAGE.read_text()), "run python -m tests.docs.generated_tables"


def test_every_message_is_described():
    described = [name for row in opcodes().splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split(" | ")[0])]

    assert sorted(described) == sorted(name for name, _ in constants(messages))
    assert len(described) > 15
