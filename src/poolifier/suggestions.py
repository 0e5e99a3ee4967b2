"""The name that was probably meant, for errors about a name that there is not."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["did_you_mean"]


def did_you_mean(given: object, known: Iterable[str]) -> str:
    """`" (did you mean 'timeout'?)"` if one of the known names is near to what was given; otherwise nothing."""
    if not isinstance(given, str):
        return ""
    # Only where an error is made: workers start without it.
    from difflib import get_close_matches

    by_lower = {name.lower(): str(name) for name in known}
    near = get_close_matches(given.lower(), by_lower, n=1)
    return f" (did you mean {by_lower[near[0]]!r}?)" if near else ""
