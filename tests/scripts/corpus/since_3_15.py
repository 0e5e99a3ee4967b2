"""What came with 3.15: lazy imports, sentinels, frozendict."""

__lazy_modules__ = ["fractions"]

lazy import json
lazy import xml.etree.ElementTree
lazy import os.path as p
lazy from decimal import Decimal
lazy from collections import OrderedDict as Ordered, deque

import fractions
import sys

MISSING = sentinel("MISSING")
SETTINGS = frozendict(a=1, b=(2, 3))


def work_lazy_import(x):
    return json.dumps([x])


def work_lazy_submodule(x):
    return xml.etree.ElementTree.fromstring("<a>1</a>").text


def work_lazy_alias(x):
    return p.basename("a/b")


def work_lazy_name(x):
    return Decimal(x)


def work_lazy_names(x):
    return Ordered(a=x), deque([x])


class Uses:
    def go(self, x):
        return Decimal(x), json.dumps(x)


def make_lazy_in_a_class(x):
    return Uses()


def use_lazy_in_a_class(value):
    return value.go(2)


def make_sentinel(x):
    return [MISSING, MISSING, {"a": MISSING}]


def use_sentinel(value):
    return value[0] is MISSING is value[1], repr(value[2]["a"])


def work_sentinel_as_default(x, other=MISSING):
    return other is MISSING, repr(MISSING)


def make_frozendict(x):
    return frozendict(a=x, b=Uses)


def use_frozendict(value):
    return value["a"], value["b"] is Uses, SETTINGS["a"], hash(SETTINGS) == hash(frozendict(a=1, b=(2, 3)))


def work_version(x):
    return sys.version_info >= (3, 15)


def work_lazy_by_a_list_of_names(x):
    return fractions.Fraction(x, 2)


class Nested:
    EMPTY = sentinel("Nested.EMPTY")


def make_sentinel_of_a_class(x):
    return {Nested.EMPTY: x, frozendict(a=Nested.EMPTY): MISSING}


def use_sentinel_of_a_class(value):
    return value[Nested.EMPTY], value[frozendict(a=Nested.EMPTY)] is MISSING
