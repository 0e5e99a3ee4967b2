"""What stands for an object in a pickle."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["Reduced"]


class Reduced:
    """Is pickled as given, so that something else arrives. `how` may be called for it, once it is asked for."""

    __slots__ = ("_how",)

    def __init__(self, how: tuple[Any, ...] | Callable[[], tuple[Any, ...]]) -> None:
        self._how = how

    def __reduce__(self) -> tuple[Any, ...]:
        how = self._how
        return how() if callable(how) else how
