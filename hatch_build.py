"""Compiles what every task goes through, where that can be done; otherwise the wheel is the Python source alone.

`POOLIFIER_BUILD` says what is wanted: `auto` (if nothing is said), `compiled`, which fails where it cannot be, or
`pure`. The wheel remembers in `build.txt` what became of it, for installers show nobody what a build says;
`python -m poolifier` tells. Editable installations are never compiled.

The compiler runs in a process of its own (this file as a script), so nothing that may happen to it harms the build.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
import sys
import sysconfig
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WANTED: Final = "POOLIFIER_BUILD"
BUILDS: Final = ("auto", "compiled", "pure")

HOT_PATH: Final = tuple(Path(f"poolifier/pool/{name}.py") for name in ("callers", "calls", "delivery", "driver"))
ITEMS: Final = tuple(Path(f"poolifier/{name}.py") for name in ("wire/flat", "wire/reply_form", "worker/run"))
"""What items of maps and replies go through. Workers load these, so they are a library apart, which is small."""
SCHEDULER: Final = Path("poolifier/scheduler")
AS_THEY_ARE: Final = frozenset(
    (
        *("__init__.py", "build.py", "hints.py"),
        *("effects.py", "info.py", "time_summary.py"),  # dataclasses, which gain nothing
        "invariants.py",  # for tests
    )
)

NEEDS: Final = ["mypy>=1.20", "setuptools>=65"]

PROBE: Final = "#include <Python.h>\nPyObject *probe(void) { return PyList_New(0); }\n"

LONGEST_REASON: Final = 300


class CompilingBuildHook(BuildHookInterface):
    """Adds the compiled modules to the wheel, and a line that says how it was built."""

    def dependencies(self) -> list[str]:
        """What the build needs beside hatchling: nothing where it cannot or is not to compile."""
        build = wanted_build()
        return NEEDS if build == "compiled" or (build == "auto" and why_not() is None) else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles, or finds out why not."""
        build = wanted_build()
        if version == "editable":
            return
        self._directory = TemporaryDirectory(prefix="wheel-")
        directory = Path(self._directory.name)
        if build == "pure":
            told = f"as {WANTED}=pure wanted it"
        elif (reason := self._compile(directory, build)) is None:
            told = "with mypyc"
            build_data.update(pure_python=False, infer_tag=True)
            for path in (directory / "lib").rglob(f"*{sysconfig.get_config_var('EXT_SUFFIX')}"):
                build_data["force_include"][str(path)] = path.relative_to(directory / "lib").as_posix()
        elif build == "compiled":
            raise RuntimeError(f"{WANTED}=compiled, but it cannot be compiled: {reason}")
        else:
            told = f"for it could not be compiled: {reason}"
            self.app.display_warning(f"The wheel is pure Python and slower, {told}")
        report = directory / "build.txt"
        report.write_text(f"{told}\n", encoding="utf-8")
        build_data["force_include"][str(report)] = "poolifier/build.txt"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Removes what has been packed."""
        if version != "editable":
            self._directory.cleanup()

    def _compile(self, directory: Path, build: str) -> str | None:
        """Compiles into `directory / "lib"`; returns why it could not."""
        reason = why_not()
        if reason is not None:
            return reason
        source = Path(self.root, "src")
        command = [sys.executable, __file__, str(directory)]
        done = subprocess.run(
            command,
            cwd=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode == 0:
            return None
        show = self.app.display_error if build == "compiled" else self.app.display_warning
        show(done.stdout)
        return reason_in(done.stdout) or f"the compiler ended with exit code {done.returncode}"


def wanted_build() -> str:
    """Which build is wanted; raises for one that there is not."""
    build = os.environ.get(WANTED) or "auto"
    if build not in BUILDS:
        raise ValueError(f"{WANTED} must be one of {', '.join(BUILDS)}, not {build!r}")
    return build


def why_not() -> str | None:
    """Why nothing can be compiled here, or None where a small file can be."""
    if sys.implementation.name != "cpython":
        return f"there is no compiler for this Python ({platform.python_implementation()}, {sys.version})"
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    with TemporaryDirectory(prefix="probe-") as directory:
        source = Path(directory, "probe.c")
        source.write_text(PROBE, encoding="utf-8")
        command = [*compiler, f"-I{sysconfig.get_path('include')}", "-c", str(source), "-o", f"{source}.o"]
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
            )
        except OSError as error:
            return f"there is no C compiler: {error}"
        if done.returncode == 0 and Path(f"{source}.o").is_file():
            return None
        why = reason_in(done.stdout) or f"exit code {done.returncode}"
    return f"the C compiler {shlex.join(compiler)!r} does not work: {why}"


def reason_in(output: str) -> str:
    """What a compiler or Python has to say in one line: the first error, or else the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\berror\b", line, re.IGNORECASE)]
    return (errors or lines[-1:] or [""])[0][:LONGEST_REASON]


def compile_sources(directory: Path) -> None:
    """Compiles the modules in the current directory into `directory / "lib"`.

    A C file for each module, all CPUs at work on them, and little optimisation by the C compiler: that saves a third of
    the time and more, and the outcome is as fast.
    """
    # Before mypyc, which then takes it in place of distutils.
    import setuptools
    from mypyc.build import mypycify
    from setuptools.command.build_ext import build_ext

    class ParallelBuild(build_ext):
        def build_extension(self, ext: Any) -> None:
            def object_of(source: str) -> list[str]:
                return self.compiler.compile(
                    [source],
                    output_dir=self.build_temp,
                    include_dirs=ext.include_dirs,
                    extra_postargs=ext.extra_compile_args,
                    depends=ext.depends,
                )

            threads = ThreadPoolExecutor(os.cpu_count())
            compilations = [threads.submit(object_of, source) for source in ext.sources]
            wait(compilations, return_when=FIRST_EXCEPTION)
            # After an error the rest is of no use.
            threads.shutdown(cancel_futures=True)
            failed = [each for each in compilations if not each.cancelled() and each.exception() is not None]
            ext.extra_objects = [name for each in failed or compilations for name in each.result()]
            ext.sources = []
            super().build_extension(ext)

    scheduler = [path for path in sorted(SCHEDULER.rglob("*.py")) if path.name not in AS_THEY_ARE]
    # What happens to be installed here is no business of the compiler's, and takes longer to read than all the rest.
    arguments = ["--config-file=", "--no-site-packages", "--follow-imports=silent", "--cache-dir=/dev/null"]
    brain, items = list(map(str, [*scheduler, *HOT_PATH])), list(map(str, ITEMS))
    extensions = mypycify(
        [*arguments, *brain, *items],
        separate=[(brain, "poolifier_brain"), (items, "poolifier_items")],
        opt_level="1",
        debug_level="0",
        multi_file=True,
        target_dir=str(directory / "c"),
    )
    setuptools.setup(
        name="poolifier",
        # The largest first: what can fail is there, the others are a few lines each.
        ext_modules=sorted(extensions, key=lambda extension: -len(extension.sources)),
        cmdclass={"build_ext": ParallelBuild},
        script_args=[
            "build_ext",
            f"--build-lib={directory / 'lib'}",
            f"--build-temp={directory / 'temp'}",
        ],
    )


if __name__ == "__main__":
    compile_sources(Path(sys.argv[1]))
