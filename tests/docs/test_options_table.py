"""The tables of options say what the source says: every option is there, with its default, and none besides."""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

from poolifier import (
    MeasurementOptions,
    TaskFunction,
    TasksQueueOptions,
    Worker,
    WorkerChoiceStrategy,
    WorkerChoiceStrategyOptions,
)
from poolifier.options import PoolOptions, ProcessOptions

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference" / "options.md"
RAY = {"ray_options": None}
NAMES = {"MeasurementOptions": MeasurementOptions}


def section(page, heading):
    text = page.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    assert text, f"{page} has no section {heading!r}"
    return text


def documented(text):
    options = {}
    for names, defaults in re.findall(r"^\| (`.*?`) \| (`.*?`) \|", text, re.MULTILINE):
        names_ = re.findall(r"`(.*?)`", names)
        values = [eval(value, NAMES) for value in re.findall(r"`(.*?)`", defaults)]
        options |= zip(names_, values if len(values) > 1 else values * len(names_), strict=True)
    return options


def of_fields(cls):
    return {
        field.name: field.default if field.default is not dataclasses.MISSING else field.default_factory()
        for field in dataclasses.fields(cls)
    }


def of_keywords(function):
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is not parameter.empty
    }


@pytest.mark.parametrize(
    ("page", "heading", "known"),
    [
        (ROOT / "README.md", "Options", of_keywords(PoolOptions.checked) | of_fields(ProcessOptions) | RAY),
        (REFERENCE, "Of the tasks queues", of_fields(TasksQueueOptions)),
        (REFERENCE, "Of the worker choice strategies", of_fields(WorkerChoiceStrategyOptions)),
        (REFERENCE, "Of a worker", of_keywords(Worker)),
        (REFERENCE, "Of a task function", of_keywords(TaskFunction)),
    ],
    ids=["pool", "queues", "strategies", "worker", "task function"],
)
def test_names_and_defaults(page, heading, known):
    assert documented(section(page, heading)) == known


def test_every_strategy_is_listed():
    text = section(REFERENCE, "Of the worker choice strategies")
    listed = re.findall(r"^\| `(\w+)` \| [^`|]+ \|$", text, re.MULTILINE)

    assert listed == [strategy.value for strategy in WorkerChoiceStrategy]
