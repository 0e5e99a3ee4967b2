"""What a driver is found by while it lives, for those who are not to keep it: a compiled one has no weak references."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poolifier.pool.driver import Driver

__all__ = ["Anchor"]


class Anchor:
    """Belongs to one driver, and ends with it.

    Attributes:
        driver: The driver.
    """

    __slots__ = ("__weakref__", "driver")

    def __init__(self, driver: Driver) -> None:
        self.driver: Driver = driver
