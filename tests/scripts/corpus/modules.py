"""The docstring of the script."""

import collections.abc
import concurrent.futures
import importlib
import importlib.util
import itertools
import json as js
import logging
import os.path as p
import queue
import random
import struct
import sys
import threading
import types
import urllib.parse
import xml.etree.ElementTree
from os import path, sep as separator
from pathlib import Path
from typing import TYPE_CHECKING

import __main__

try:
    import tomllib as parser
except ImportError:
    parser = None

if TYPE_CHECKING:
    from decimal import Decimal  # noqa: F401

__version__ = "1.2"
__all__ = ["work_names"]

HERE = Path(__file__).parent
NAME = __name__
logger = logging.getLogger(__name__)
named = logging.getLogger("named.logger")
rng = random.Random(5)
module = types.ModuleType("made")
module.value = 4
namespace = types.SimpleNamespace(a=1, b=[2])
late = importlib.import_module("email.mime.text")


def __getattr__(name):
    if name == "computed":
        return "by module __getattr__"
    raise AttributeError(name)


def work_names(x):
    return Path(__file__).name, __doc__, __version__, __all__, HERE == Path(__file__).parent, separator


def work_reads_its_own_file(x):
    return Path(__file__).read_text().splitlines()[0]


def work_submodules(x):
    tree = xml.etree.ElementTree.fromstring("<a><b>1</b></a>")
    return tree[0].text, p.basename("a/b"), path.join("a", "b"), js.dumps([x]), urllib.parse.quote("a b")


def work_submodule_that_only_the_script_imported(x):
    import xml

    return hasattr(xml.etree, "ElementTree"), isinstance([], collections.abc.Sequence), late.MIMEText("a").get_payload()


def work_conditional_import(x):
    return parser.loads("a = 1")


def work_loggers(x):
    return named.name, named is logging.getLogger("named.logger"), isinstance(logger, logging.Logger)


def work_random_generator(x):
    return isinstance(rng.random(), float)


def work_namespace(x):
    return namespace.a, namespace.b


def work_main_module(x):
    return __main__.__version__, __main__.work_main_module is work_main_module, __main__.computed


def work_import_main(x):
    import __main__ as main

    return main.HERE.name == HERE.name, main.work_names is work_names, hasattr(main, "nowhere")


def work_from_main_import(x):
    from __main__ import __version__ as version, logger as found

    return version, found is logger


def work_module_of_the_function(x):
    home = sys.modules[work_names.__module__]
    return home.work_names is work_names, vars(home)["__version__"]


def work_module_by_name(x):
    home = sys.modules[__name__]
    return home.work_names is work_names, home.HERE is HERE


def work_import_by_text(x):
    home = importlib.import_module("__main__")
    function = getattr(home, "work_names")  # noqa: B009
    return function is work_names, function(x)[2]


def work_names_in_globals(x):
    return sorted(name for name in globals() if name.startswith("work_imp")), "__builtins__" in globals()


def work_annotations_of_the_script(x):
    return [name in globals() for name in ("__name__", "__doc__", "__file__", "__spec__", "__loader__", "__package__")]


def work_import_inside(x):
    import decimal

    from fractions import Fraction as Part

    return decimal.Decimal(x), Part(1, 2)


def work_thread_inside(x):
    out = []
    thread = threading.Thread(target=lambda: out.append(work_names(x)[2]))
    thread.start()
    thread.join()
    return out


def work_pool_of_threads_inside(x):
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        return executor.submit(work_names, x).result()[2]


STATE = {"count": 0, "items": []}
total = 0


def add(x):
    global total
    total += x
    STATE["count"] += 1
    return total


def work_global_statement(x):
    before = total
    add(x)
    return total - before, STATE["count"] > 0


def work_defines_a_global(x):
    global defined_late
    defined_late = [x]
    return read_late()


def read_late():
    return defined_late


def make_module(x):
    return [js, xml.etree.ElementTree, p]


def use_module(value):
    return value[0] is js, value[1] is xml.etree.ElementTree, value[2] is p


def make_logger(x):
    return [named, logging.getLogger()]


def use_logger(value):
    return value[0] is named, value[1] is logging.getLogger()


def make_path(x):
    return HERE / "file"


def use_path(value):
    return value.name, value.parent == HERE


header = struct.Struct("<i")
entropy = random.SystemRandom()
simple = queue.SimpleQueue()
threads = concurrent.futures.ThreadPoolExecutor(2, "named")
numbers_from = itertools.count(5, 2)


def work_what_an_import_makes_anew(x):
    simple.put(x)
    return (
        header.pack(x),
        0 <= entropy.random() < 1,
        simple.get(),
        threads.submit(abs, -x).result(),
        next(itertools.count(next(numbers_from) * 0 + 5, 2)),
    )


def __getattr__(name):
    if name == "computed":
        return 5
    raise AttributeError(name)


def work_getattr_of_the_module(x):
    import __main__

    return __main__.computed, hasattr(__main__, "unknown"), sys.modules[__name__].computed
