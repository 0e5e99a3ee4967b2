"""What tells the compiler something, and means nothing where nothing is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Known by this name to mypyc, which goes by types: so it is no import of what runs.
    from mypy_extensions import mypyc_attr
else:

    def mypyc_attr(**_attributes):
        return lambda declared: declared


__all__ = ["mypyc_attr"]
