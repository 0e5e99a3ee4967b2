"""Wheels of this source, and fresh machines to install them on. Nothing here needs a network."""

import os
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PIP = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check"]


def completed(command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)


def tag_of(wheel):
    return wheel.stem.split("-", 2)[2]


class Built:
    """What a build printed, and the wheel, if there is one."""

    def __init__(self, source, directory, environment):
        command = [*PIP, "wheel", "--verbose", "--no-build-isolation", "--no-deps", "--no-index"]
        known = {name: value for name, value in os.environ.items() if name not in {"CC", "POOLIFIER_BUILD"}}
        done = completed([*command, f"--wheel-dir={directory}", str(source)], env=known | environment)
        self.output = done.stdout + done.stderr
        self.wheel = next(Path(directory).glob("*.whl"), None)
        assert (done.returncode == 0) == (self.wheel is not None), self.output

    @property
    def tag(self):
        return tag_of(self.wheel)


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """Builds a wheel, of this source unless it is told of another, with these environment variables besides."""

    def build_wheel(source=ROOT, **environment):
        return Built(source, tmp_path_factory.mktemp("wheel"), environment)

    return build_wheel


@pytest.fixture(scope="session")
def without_compiler(build):
    return build(CC="/bin/false")


@pytest.fixture(scope="session")
def wheel(build):
    """The wheel of whoever says nothing; `WHEEL` names one that was built like that, for it takes half a minute."""
    return Path(os.environ["WHEEL"]).resolve() if os.environ.get("WHEEL") else build().wheel


class Machine:
    """A virtual environment with a wheel and what the wheel requires, and nothing else."""

    def __init__(self, directory, wheel):
        self.python = directory / "bin" / "python"
        done = completed([sys.executable, "-m", "venv", "--without-pip", str(directory)])
        assert done.returncode == 0, done.stderr
        done = completed([*PIP, "--python", str(self.python), "install", "--no-index", "--no-deps", str(wheel)])
        assert done.returncode == 0, done.stdout + done.stderr
        self.packages = next(directory.glob("lib/python*/site-packages"))
        self.distributions = set()
        self._provide(next(self.packages.glob("poolifier-*.dist-info/METADATA")).read_text())

    def _provide(self, metadata):
        """Links what is installed here for the tests: the same files, but no more than is asked for."""
        for requirement in re.findall(r"^Requires-Dist: ([\w.-]+)[^;\n]*$", metadata, re.MULTILINE):
            if requirement in self.distributions:
                continue
            self.distributions.add(requirement)
            provider = distribution(requirement)
            for name in {file.parts[0] for file in provider.files if ".." not in file.parts} - {"__pycache__"}:
                (self.packages / name).symlink_to(provider.locate_file(name))
            self._provide(provider.read_text("METADATA"))

    def run(self, *arguments, **options):
        known = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return completed([str(self.python), *arguments], env=known, **options)

    def facts(self):
        done = self.run("-m", "poolifier")
        assert done.returncode == 0, done.stderr
        return {line[:12].strip(): line[14:] for line in done.stdout.splitlines()}


@pytest.fixture(scope="session")
def install(tmp_path_factory):
    """Installs a wheel on a fresh machine."""
    return lambda wheel: Machine(tmp_path_factory.mktemp("machine"), wheel)


@pytest.fixture(scope="session")
def machine(install, without_compiler):
    return install(without_compiler.wheel)
