"""What the contestants run. A module of its own, so that every pool passes it by reference.

It imports nothing, for each worker of each pool would have to import that, too.
"""


def echo(data: object) -> object:
    return data


async def echo_async(data: object) -> object:
    """The same for pools that run nothing but coroutines."""
    return data


class ModulePoint:
    """What a module defines; a dataclass would have to be imported."""

    def __init__(self, x: int, y: int) -> None:
        self.x = x
        self.y = y

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]


def spin(turns: int) -> int:
    """Pure Python that keeps the GIL: three million turns take about 100 ms."""
    total = 0
    for number in range(turns):
        total += number & 7
    return total


def hold(data: object) -> object:
    """Keeps its worker for as long as a writer has that FIFO open; echoes anything else."""
    if isinstance(data, str):
        with open(data, "rb") as fifo:  # noqa: PTH123 - pathlib would have to be imported
            fifo.read()
    return data
