"""What PyInstaller needs to know of this package. It finds that by an entry point of the installed package."""

from __future__ import annotations

import os

__all__ = ["get_hook_dirs"]


def get_hook_dirs() -> list[str]:
    """Where the hooks are."""
    return [os.path.dirname(__file__)]  # noqa: PTH120 - PyInstaller wants a str
