"""Memory views, which pickle knows nothing of: they arrive as views of memory of their own."""

from __future__ import annotations

from pickle import PickleBuffer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["ViewOf", "reduce_view"]


class ViewOf:
    """Stands for a view in a pickle."""

    def __init__(self, view: memoryview) -> None:
        self._view = view

    def __reduce__(self) -> tuple[Any, ...]:
        return reduce_view(self._view)


def reduce_view(view: memoryview) -> tuple[Any, ...]:
    """What pickle is to do with a view.

    Raises:
        TypeError: Nobody can make a view of that format.
    """
    if len(view.format.lstrip("@")) != 1:
        raise TypeError(f"a memoryview of format {view.format!r} cannot be pickled: only formats of one character can")
    if not view.c_contiguous:
        return (_viewed, (PickleBuffer(view.tobytes()), view.format, view.shape))
    return (_viewed, (PickleBuffer(view), view.format, view.shape))


def _viewed(buffer: Any, format: str, shape: tuple[int, ...]) -> memoryview:  # noqa: A002
    view = memoryview(buffer)
    if view.format != "B" or view.ndim != 1:
        view = view.cast("B")
    if (format == "B" and len(shape) == 1) or not view.nbytes:
        return view
    return view.cast(format, shape)  # type: ignore[call-overload,no-any-return]
