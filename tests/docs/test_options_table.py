"""The README's table of options says what the source says."""

import ast
import dataclasses
import inspect
import re
from pathlib import Path

from poolifier.options import PoolOptions, ProcessOptions

README = Path(__file__).parents[2] / "README.md"


def test_names_and_defaults():
    section = README.read_text().partition("## Options\n")[2].partition("\n## ")[0]
    documented = {}
    for names, defaults in re.findall(r"^\| (`.*?`) \| (`.*?`) \|", section, re.MULTILINE):
        options = re.findall(r"`(.*?)`", names)
        values = [ast.literal_eval(value) for value in re.findall(r"`(.*?)`", defaults)]
        documented |= zip(options, values if len(values) > 1 else values * len(options), strict=True)

    known = {field.name: field.default for field in dataclasses.fields(ProcessOptions)}
    known |= {
        name: parameter.default
        for name, parameter in inspect.signature(PoolOptions.checked).parameters.items()
        if parameter.default is not parameter.empty
    }

    assert documented
    assert documented == {name: known.get(name, "no such option") for name in documented}
