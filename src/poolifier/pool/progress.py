"""The progress bar of a map."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any, Protocol


class Bar(Protocol):
    """What is used of a tqdm bar."""

    def update(self, n: int = 1) -> object:
        """So many more are done."""

    def close(self) -> None:
        """No more will be."""


def open_bar(items: object, description: str) -> Bar:
    """A bar that knows its end where the items have a length.

    Raises:
        ImportError: tqdm is not installed; it comes with the extra `poolifier[progress]`.
    """
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError("progress=True needs tqdm: pip install 'poolifier[progress]'") from error
    if not hasattr(tqdm, "_lock"):
        # Its own default lock would start a process of multiprocessing's that outlives the pool.
        tqdm.set_lock(RLock())
    length: Callable[[], int] | None = getattr(items, "__len__", None)
    bar: Any = tqdm(total=length() if length is not None else None, desc=description, unit="item")
    return bar  # type: ignore[no-any-return]
