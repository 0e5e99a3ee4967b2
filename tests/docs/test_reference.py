"""Every public name stands once in the reference, and nothing else does."""

import re
from collections import Counter
from pathlib import Path

import poolifier
import poolifier.futures
import poolifier.testing
import poolifier.testing.faults

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PUBLIC = (poolifier, poolifier.futures, poolifier.testing, poolifier.testing.faults)
OF_PROTOCOLS = {f"poolifier.protocols.{name}" for name in ("Backend", "Channel", "WorkerListener")}


def test_every_public_name_has_a_place():
    shown = Counter(
        name for page in REFERENCE.glob("*.md") for name in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)
    )

    public = {f"{module.__name__}.{name}" for module in PUBLIC for name in module.__all__} - {"poolifier.__version__"}
    assert dict(shown) == dict.fromkeys(public | OF_PROTOCOLS, 1)
