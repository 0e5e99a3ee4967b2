"""What tells the compiler something, and means nothing where nothing is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    # mypyc finds it by what types say it is: so what runs need not have it.
    from mypy_extensions import mypyc_attr
else:

    def mypyc_attr(**_hints: Any) -> Callable[[type], type]:
        """Leaves a class as it is."""
        return lambda declared: declared


__all__ = ["mypyc_attr"]
