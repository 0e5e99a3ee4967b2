"""`python -m poolifier`: which version and build this is, and what it can do here."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final, get_args

from poolifier import __version__, compiled
from poolifier.backends.interpreter.support import interpreters_module
from poolifier.backends.ray.backend import check_installed
from poolifier.errors import UnsupportedError
from poolifier.options import StartMethod
from poolifier.parallelism import available_parallelism, cpu_limit, usable_cpus

_BUILD: Final = Path(__file__).with_name("build.txt")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what `--help` says; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m poolifier",
        description="Tells which version and build of poolifier this is, and what it can do on this machine.",
    )
    parser.add_argument("--version", action="version", version=f"poolifier {__version__}")
    parser.parse_args(arguments)
    print("\n".join(f"{name:<12}  {text}" for name, text in _facts()))  # noqa: T201 - a command
    return 0


def _facts() -> Iterator[tuple[str, str]]:
    yield "poolifier", __version__
    yield "Python", f"{platform.python_version()} ({platform.python_implementation()}), {sys.executable}"
    yield "platform", f"{platform.platform()}, {platform.machine()}"
    yield "build", _build()
    yield "CPUs", _cpus()
    yield "event loop", _event_loop()
    yield "threads", "yes"
    yield "processes", f"yes; start methods: {', '.join(get_args(StartMethod))}"
    yield "interpreters", _available(interpreters_module)
    yield "Ray", _available(check_installed, "ray")


def _build() -> str:
    name = "compiled" if compiled else "pure Python"
    try:
        # Left by the build of a wheel.
        return f"{name}, {_BUILD.read_text(encoding='utf-8').strip()}"
    except OSError:
        return f"{name}, straight from the source"


def _available(check: Callable[[], object], distribution: str | None = None) -> str:
    try:
        check()
    except UnsupportedError as error:
        return f"no: {error}"
    return "yes" if distribution is None else f"yes; {_installed(distribution)}"


def _installed(distribution: str) -> str:
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return f"{distribution}, of unknown version"


def _event_loop() -> str:
    if find_spec("uvloop") is None:
        return "asyncio; uvloop is not installed: pip install 'poolifier[uvloop]'"
    return f"asyncio, or {_installed('uvloop')} with uvloop.run(main())"


def _cpus() -> str:
    limit = cpu_limit()
    allowed = "no limit by control groups" if limit is None else f"control groups allow {limit:g}"
    return f"{available_parallelism()} to use: {os.cpu_count()} here, {usable_cpus()} by affinity, {allowed}"


if __name__ == "__main__":
    sys.exit(main())
