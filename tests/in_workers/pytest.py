"""What `import pytest` finds in a worker: decorators that leave what they decorate alone.

A worker that gets a function of a test's module imports that module, and with it pytest. The real one takes a quarter
of a second of CPU for each worker of each pool of each test, for nothing: workers run task functions, no tests. So this
folder comes first on the path (`pythonpath` in pyproject.toml), which workers take over; the process that runs the
tests has imported the real one by then.
"""

from typing import Any


class _Decorator:
    """Stands for `mark` and `fixture`, for what is an attribute of them, and for what a call of those returns."""

    def __getattr__(self, name: str) -> "_Decorator":
        return self

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        if len(arguments) == 1 and callable(arguments[0]) and not options:
            return arguments[0]
        return self


def __getattr__(name: str) -> _Decorator:
    if name.startswith("__"):
        raise AttributeError(name)
    return _Decorator()
