"""Functions of every sort."""

import asyncio
import contextlib
import functools
import inspect
import itertools
import math
import operator
import re
import string
import textwrap
from functools import partial, partialmethod, reduce, singledispatch, singledispatchmethod, wraps

PATTERN = re.compile(r"(\d+)-(?P<word>\w+)", re.IGNORECASE)
TEMPLATE = string.Template("$a!")
COMPILED = compile("y = x * 2", "<made>", "exec")
OFFSET = 10
TABLE = {"add": operator.add, "sin": math.sin, "own": lambda a, b: (a, b)}
lambda_global = lambda x: x + OFFSET  # noqa: E731


def work_globals(x):
    return PATTERN.match("12-ab").group("word"), TEMPLATE.substitute(a=x), TABLE["own"](1, x), TABLE["add"](1, x)


def work_lambda_in_a_global(x):
    return lambda_global(x), lambda_global.__name__


def work_compiled(x):
    namespace = {"x": x}
    exec(COMPILED, namespace)
    return namespace["y"]


def even(n):
    return True if n == 0 else odd(n - 1)


def odd(n):
    return False if n == 0 else even(n - 1)


def work_mutual_recursion(x):
    return even(x), odd(x)


def counter():
    count = 0

    def bump(by=1):
        nonlocal count
        count += by
        return count

    def read():
        return count

    return bump, read


def work_nonlocal(x):
    bump, read = counter()
    bump()
    bump(x)
    return read()


def make_closures_that_share(x):
    return counter()


def use_closures_that_share(value):
    bump, read = value
    before = read()
    bump(5)
    bump()
    return read() - before


def make_lambda(x):
    return lambda y: x + y + OFFSET


def use_lambda(value):
    return value(1)


def make_recursive_lambda(x):
    factorial = lambda n: 1 if n < 2 else n * factorial(n - 1)  # noqa: E731
    return factorial


def use_recursive_lambda(value):
    return value(5)


class Default:
    def __init__(self, x):
        self.x = x


DEFAULT = Default(3)


def work_default_instance(x, default=DEFAULT, *args, more=DEFAULT, **kwargs):
    return default.x, more is default, default is DEFAULT


def work_mutable_default(x, seen=[]):  # noqa: B006
    return isinstance(seen, list)


def work_positional_only(x, /, y=2, *, z=3):
    return x + y + z, work_positional_only.__defaults__, work_positional_only.__kwdefaults__


def documented(x: int, y: "str" = "a") -> list[int]:
    """Says what."""
    return [x]


documented.flag = {"a": 1}
documented.me = documented


def work_function_attributes(x):
    return (
        documented.flag,
        documented.me is documented,
        documented.__doc__,
        documented.__name__,
        documented.__qualname__,
        documented.__annotations__["y"],
        str(inspect.signature(documented)),
        documented.__module__ == work_function_attributes.__module__,
        documented.__globals__ is globals(),
    )


def logged(function):
    @wraps(function)
    def wrapper(*args, **kwargs):
        wrapper.calls += 1
        return "logged", function(*args, **kwargs), wrapper.calls > 0

    wrapper.calls = 0
    return wrapper


@logged
def work_wrapped(x):
    return x + 1


def work_unwrap(x):
    return inspect.unwrap(work_wrapped)(x), work_wrapped.__name__


def repeat(times):
    def decorate(function):
        @wraps(function)
        def wrapper(x):
            return [function(x) for _ in range(times)]

        return wrapper

    return decorate


@repeat(2)
@repeat(times=3)
def work_decorator_with_arguments(x):
    return x


class Decorator:
    def __init__(self, function):
        functools.update_wrapper(self, function)
        self.function = function
        self.calls = 0

    def __call__(self, *args):
        self.calls += 1
        return self.function(*args), self.calls > 0

    def __get__(self, instance, owner=None):
        return self if instance is None else partial(self, instance)


@Decorator
def work_class_as_decorator(x):
    return x * 2


class Decorated:
    @Decorator
    def method(self, x):
        return x * 3


def work_class_as_method_decorator(x):
    return Decorated().method(x)


@singledispatch
def shown(value):
    return "other"


@shown.register
def _(value: int):
    return "int"


@shown.register(list)
def shown_list(value):
    return "list of " + ",".join(map(shown, value))


@shown.register
def _(value: Default):
    return f"default {value.x}"


def work_singledispatch(x):
    return shown(x), shown([x, "a", Default(1)]), shown.dispatch(bool)(True), len(shown.registry)


@singledispatch
def work_singledispatch_as_task(x):
    return "object"


@work_singledispatch_as_task.register
def _(x: int):
    return "int"


def make_singledispatch(x):
    return shown


def use_singledispatch(value):
    return value(1), value(Default(2)), value is shown


class Negator:
    def __init__(self, x):
        self.x = x

    @singledispatchmethod
    def neg(self, arg):
        return "unknown"

    @neg.register
    def _(self, arg: int):
        return -arg * self.x

    @neg.register
    def _(self, arg: str):
        return arg[::-1]

    @singledispatchmethod
    @classmethod
    def of(cls, arg):
        return cls.__name__

    @of.register
    @classmethod
    def _(cls, arg: int):
        return cls(arg)

    half = partialmethod(neg, 2)

    def scale(self, factor, *, offset=0):
        return self.x * factor + offset

    double = partialmethod(scale, 2)
    shifted = partialmethod(scale, 1, offset=5)


def make_singledispatchmethod(x):
    return Negator(x)


def use_singledispatchmethod(value):
    return value.neg(2), value.neg("ab"), value.neg(None), Negator.of(3).x, value.double(), value.shifted()


def add(a, b=0, *, c=0):
    return a + b + c


work_partial = partial(add, 5, c=1)
work_partial_of_a_lambda = partial(lambda a, b: (a, b), "a")


def make_partial(x):
    return [partial(add, x, c=3), partial(partial(add, 1), c=x), partial(Default, x)]


def use_partial(value):
    return value[0](1), value[1](1), value[2]().x, value[0].func is add, value[0].args


def make_method_of_built_ins(x):
    return [operator.methodcaller("upper"), operator.attrgetter("real"), [1, x].count, "a{}".format, math.sqrt, len]


def use_method_of_built_ins(value):
    return value[0]("a"), value[1](3), value[2](1), value[3](2), value[4](4.0), value[5]("ab")


@contextlib.contextmanager
def managed(x):
    yield x + 1


@managed(1)
def work_in_a_context(x):
    return x


def work_context_manager(x):
    with managed(x) as inner, contextlib.suppress(ValueError):
        raise ValueError
    return inner


def numbers(n):
    for i in range(n):
        received = yield i
        if received:
            yield received


def work_generator_inside(x):
    generator = numbers(x)
    next(generator)
    return generator.send("sent"), list(numbers(x)), sum(i for i in numbers(4))


async def later(x):
    await asyncio.sleep(0)
    return x * 2


async def ticks(n):
    for i in range(n):
        yield i


async def gathered(x):
    return await asyncio.gather(later(1), later(x)), [i async for i in ticks(3)]


def work_asyncio_run(x):
    return asyncio.run(gathered(x))


def work_comprehensions(x):
    return [i * OFFSET for i in range(x)], {i: i for i in range(x)}, {OFFSET}, [y := x, y + 1]


def work_match(x):
    match {"kind": "point", "at": (x, 2), "rest": 1}:
        case {"kind": "point", "at": (a, b), **rest}:
            return a, b, rest
    return None


def work_match_class(x):
    match DEFAULT:
        case Default(x=3):
            return "three"
    return None


def work_globals_and_locals(x):
    return "PATTERN" in globals(), sorted(locals()), globals()["OFFSET"], eval("OFFSET + x")


def work_exec_defines(x):
    namespace = dict(globals())
    exec(textwrap.dedent("""
        class Inside:
            def go(self):
                return OFFSET
    """), namespace)
    return namespace["Inside"]().go()


def work_signature(x):
    signature = inspect.signature(add)
    bound = signature.bind(1, c=2)
    return str(signature), bound.arguments, add.__code__.co_varnames, add.__code__.co_name


def work_star(x):
    def inner(*args, **kwargs):
        return args, kwargs

    return inner(*[x, 1], **{"a": x})


def work_closures_in_a_loop(x):
    return [function() for function in [lambda i=i: i for i in range(3)]], [f() for f in [lambda: x]]


def work_class_in_a_function(x):
    class Local:
        y = x

        def go(self):
            return self.y, x

    return Local().go(), Local.__qualname__


def make_local_class(x):
    class Local:
        def __init__(self, z):
            self.z = z

        def go(self):
            return self.z, x, type(self) is Local

    return Local(x)


def use_local_class(value):
    return value.go()


def curried(a):
    def with_b(b):
        def with_c(c):
            return a, b, c

        return with_c

    return with_b


def make_nested_closure(x):
    return curried(x)(2)


def use_nested_closure(value):
    return value(3)


def work_itertools(x):
    return list(itertools.chain([1], map(add, [x], [2]))), reduce(add, [1, 2, x])


def work_function_as_value(x):
    return work_function_as_value is globals()["work_function_as_value"]


def make_functions_in_containers(x):
    return {"add": add, "also": [add, documented], "class": Default}


def use_functions_in_containers(value):
    return value["add"] is value["also"][0], value["add"](1, 2), value["class"](1).x, value["also"][1].flag


def work_deleted_name(x):
    del x
    try:
        return x
    except UnboundLocalError as error:
        return type(error).__name__


def work_unknown_global(x):
    return nowhere  # noqa: F821


def work_unknown_attribute(x):
    return math.nowhere


def work_built_in_shadowed(x):
    return sum([1, x])


def sum(values):  # noqa: A001
    return "shadowed"


def trampoline(function):
    return lambda *args: function(*args)


renamed = trampoline(add)
renamed.__name__ = renamed.__qualname__ = "renamed"


def work_renamed_lambda(x):
    return renamed(x, 1), renamed.__name__


def replaced(x):
    return "old"


kept = replaced


def replaced(x):  # noqa: F811
    return "new"


def work_function_of_a_name_that_was_taken_again(x):
    return kept(x), replaced(x), kept is not replaced


def make_function_of_a_name_that_was_taken_again(x):
    return kept


def use_function_of_a_name_that_was_taken_again(value):
    return value(1), replaced(1)


def work_code_flags(x):
    return [f.__code__.co_flags & inspect.CO_GENERATOR for f in (numbers, add)], inspect.iscoroutinefunction(later)
