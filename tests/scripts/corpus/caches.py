"""Functions, methods and properties that remember what they returned."""

import functools
import weakref


@functools.cache
def table(number):
    return [number, number * 2]


def work_cached_helper(x):
    return table(x), table(x) is table(x), table.cache_info().currsize >= 1


@functools.lru_cache(maxsize=2)
def doubled(number):
    """Doubles."""
    return number * 2


def work_lru_cache_has_its_size(x):
    for number in range(5):
        doubled(number)
    return doubled(x), doubled.cache_info().maxsize, doubled.cache_info().currsize, doubled.__doc__


def work_lru_cache_is_cleared(x):
    doubled.cache_clear()
    return tuple(doubled.cache_info()), doubled(x), doubled(x), doubled.cache_info().hits, doubled.__wrapped__(x)


@functools.cache
def work_cached_task_function(x):
    return x + 1


@functools.lru_cache
def work_lru_cached_task_function(x):
    return x + 2


@functools.lru_cache(maxsize=None, typed=True)
def typed(value):
    return type(value).__name__


def work_typed_cache(x):
    return typed(x), typed(float(x)), typed.cache_parameters()


class Cached:
    base = 3

    def __init__(self, x):
        self.x = x

    @functools.cache  # noqa: B019
    def method(self, y):
        return self.x + y

    @classmethod
    @functools.cache
    def of_class(cls, y):
        return cls.base + y

    @staticmethod
    @functools.cache
    def static(y):
        return y * 3

    @functools.cached_property
    def prop(self):
        return [self.x]

    def __eq__(self, other):
        return type(other) is Cached and other.x == self.x

    def __hash__(self):
        return hash(self.x)


def make_cached_methods(x):
    return Cached(x)


def use_cached_methods(value):
    return value.method(1), value.of_class(2), value.static(3), value.prop, value.prop is value.prop


def work_cached_class_and_static_methods(x):
    return Cached.of_class(x), Cached.static(x), Cached(x).method(x)


def make_cached_property_that_is_filled(x):
    value = Cached(x)
    value.prop.append(0)
    return value


def use_cached_property_that_is_filled(value):
    return value.prop, vars(value)


def make_cached_function(x):
    return doubled


def use_cached_function(value):
    return value(4), value is doubled, value.__name__


def make_bound_cached_method(x):
    return Cached(x).method


def use_bound_cached_method(value):
    return value(7)


@functools.cache
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def work_recursive_cache(x):
    return fibonacci(60 + x)


@functools.cache
def expensive():
    return object()


def work_cache_without_arguments(x):
    return expensive() is expensive()


def remembered(function):
    """A cache as people write it."""
    memory = {}

    @functools.wraps(function)
    def wrapper(*args):
        if args not in memory:
            memory[args] = function(*args)
        return memory[args]

    wrapper.memory = memory
    return wrapper


@remembered
def tripled(x):
    return [x * 3]


def work_cache_of_a_decorator(x):
    return tripled(x), tripled(x) is tripled(x), (x,) in tripled.memory


def work_task_in_a_decorator_cache(x):
    return work_decorated(x)


@remembered
def work_decorated(x):
    return x * 4


class Node:
    pass


NODES = weakref.WeakValueDictionary()


def work_weak_cache(x):
    node = NODES.setdefault(("node", x), Node())
    again = NODES.setdefault(("node", x), Node())
    return node is again


@functools.lru_cache
def with_lists(*, key):
    return [key]


def work_cache_of_keywords(x):
    return with_lists(key=x), with_lists.cache_parameters()
