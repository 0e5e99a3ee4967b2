"""Why an actor ended, as Ray tells it, in a few words."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["reason_of"]

_LONGEST: Final = 300


def reason_of(error: BaseException) -> str:
    """How a worker ended, as the end of a sentence: `was lost: ...`."""
    text = str(error)
    # Ray puts a table of the actor before the reason, and what may be the matter in general after it.
    _, found, reason = text.partition("The actor is dead because ")
    if not found:
        reason = text
    reason = re.split(r"\. Some common causes|\n", reason.strip())[0].strip()
    if len(reason) > _LONGEST:
        reason = f"{reason[:_LONGEST]}..."
    return f"was lost: {reason or type(error).__name__}"
