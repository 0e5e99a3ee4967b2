"""What the callers of tasks gave, and what they wait for: by the numbers of the tasks, which have nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from poolifier.scheduler.task import Task

__all__ = ["Callers"]

_PAGE_BITS: Final = 9
_PAGE: Final = 1 << _PAGE_BITS


class _Page:
    """What the callers of tasks that were numbered one after another gave and wait for."""

    __slots__ = ("data", "futures", "present")

    def __init__(self) -> None:
        self.data: list[Any] = []
        self.futures: list[Any] = []
        self.present: int = 0


class Callers:
    """The data and the future of each task that has not ended: see `Task` for why it has neither.

    A future may be a `Chunk` or a `Feed` as well, which are told like one. A page of them is let go of with its last
    caller, so memory follows those who are there.
    """

    __slots__ = ("_gone", "_last", "_page", "_pages")

    def __init__(self) -> None:
        # Numbers begin with 1.
        self._last = 0
        self._page = _Page()
        self._page.data.append(None)
        self._page.futures.append(None)
        self._pages: list[_Page | None] = [self._page]
        # Pages that were let go of and are not in the list any more.
        self._gone = 0

    def admit(self, data: Any, future: Any) -> int:
        """Takes a caller in; returns the number for its task, which no other task of the pool has. O(1)."""
        page = self._page
        if len(page.futures) == _PAGE:
            page = self._turn_over()
        page.data.append(data)
        page.futures.append(future)
        page.present += 1
        number = self._last = self._last + 1
        return number

    def data(self, task: Task) -> Any:
        """What the caller gave. The caller must not have left."""
        number = task.id
        page = self._pages[(number >> _PAGE_BITS) - self._gone]
        assert page is not None
        return page.data[number & (_PAGE - 1)]

    def future(self, task: Task) -> Any:
        """What the caller waits for, or None where it has left."""
        number = task.id
        at = (number >> _PAGE_BITS) - self._gone
        page = self._pages[at] if at >= 0 else None
        return None if page is None else page.futures[number & (_PAGE - 1)]

    def leave(self, task: Task) -> Any:
        """Lets the caller go, and returns what it waits for; None where it has left before. O(1) amortised."""
        number = task.id
        at = (number >> _PAGE_BITS) - self._gone
        page = self._pages[at] if at >= 0 else None
        if page is None:
            return None
        place = number & (_PAGE - 1)
        future = page.futures[place]
        if future is not None:
            page.futures[place] = None
            page.data[place] = None
            page.present -= 1
            if not page.present and page is not self._page:
                self._let_go(at)
        return future

    def _turn_over(self) -> _Page:
        before = self._page
        page = self._page = _Page()
        self._pages.append(page)
        if not before.present:
            self._let_go(len(self._pages) - 2)
        return page

    def _let_go(self, at: int) -> None:
        pages = self._pages
        pages[at] = None
        if at == 0:
            leading = 1
            while pages[leading] is None:
                leading += 1
            del pages[:leading]
            self._gone += leading
