"""Classes that say how they are pickled, as the pickle module documents."""

import copyreg
import io
import pickle
import threading


class Reduced:
    def __init__(self, x):
        self.x = x
        self.lock = threading.Lock()

    def __reduce__(self):
        return Reduced, (self.x + 1,)


def make_reduce(x):
    return Reduced(x)


def use_reduce(value):
    return value.x


class ByProtocol:
    def __init__(self, x):
        self.x = x

    def __reduce_ex__(self, protocol):
        return ByProtocol, (f"{self.x}/{protocol >= 2}",)


def make_reduce_ex(x):
    return ByProtocol(x)


def use_reduce_ex(value):
    return value.x


class State:
    def __init__(self, x):
        self.x = x
        self.lock = threading.Lock()

    def __getstate__(self):
        return {**self.__dict__, "lock": None}

    def __setstate__(self, state):
        self.__dict__.update(state, lock=threading.Lock())


def make_state(x):
    return State(x)


def use_state(value):
    with value.lock:
        return value.x


class Falsy:
    def __init__(self, x):
        self.x = x

    def __getstate__(self):
        return None


def make_state_none(x):
    return Falsy(x)


def use_state_none(value):
    return hasattr(value, "x")


class Tupled:
    def __init__(self, x):
        self.x = x

    def __getstate__(self):
        return (1, self.x)

    def __setstate__(self, state):
        self.x = state[1]


def make_state_tuple(x):
    return Tupled(x)


def use_state_tuple(value):
    return value.x


class NewArgs(tuple):
    def __new__(cls, a, *, b=0):
        self = super().__new__(cls, (a,))
        self.b = b
        return self

    def __getnewargs_ex__(self):
        return (self[0],), {"b": self.b}


def make_newargs(x):
    return NewArgs(x, b=2)


def use_newargs(value):
    return value[0], value.b


class Registered:
    def __init__(self, x):
        self.x = x


def rebuild(x):
    made = Registered.__new__(Registered)
    made.x = [x]
    return made


def reduce_registered(value):
    return rebuild, (value.x,)


copyreg.pickle(Registered, reduce_registered)


def make_copyreg(x):
    return Registered(x)


def use_copyreg(value):
    return value.x


class Singleton:
    def __reduce__(self):
        return "SINGLETON"


SINGLETON = Singleton()


def make_reduce_to_a_name(x):
    return SINGLETON


def use_reduce_to_a_name(value):
    return value is SINGLETON


class Items(list):
    def __init__(self, note):
        super().__init__()
        self.note = note

    def __reduce__(self):
        return Items, (self.note,), None, iter(self)


class Pairs(dict):
    def __init__(self, note):
        super().__init__()
        self.note = note

    def __reduce__(self):
        return Pairs, (self.note,), None, None, iter(self.items())


def make_items(x):
    items, pairs = Items("n"), Pairs("m")
    items.extend([1, x])
    pairs["k"] = x
    return [items, pairs]


def use_items(value):
    return list(value[0]), value[0].note, dict(value[1]), value[1].note


def set_state(value, state):
    value.__dict__["through"] = state


class StateSetter:
    def __reduce__(self):
        return StateSetter, (), {"a": 1}, None, None, set_state


def make_state_setter(x):
    return StateSetter()


def use_state_setter(value):
    return value.through


class Factory:
    @classmethod
    def build(cls, x):
        made = cls()
        made.x = x
        return made

    def __reduce__(self):
        return self.build, (self.x,)


def make_class_method_that_builds(x):
    return Factory.build(x)


def use_class_method_that_builds(value):
    return value.x


class Handle:
    cache = {}

    def __new__(cls, name):
        if name not in cls.cache:
            cls.cache[name] = super().__new__(cls)
        return cls.cache[name]

    def __init__(self, name):
        self.name = name

    def __getnewargs__(self):
        return (self.name,)


def make_interned(x):
    return [Handle("a"), Handle("a"), Handle("b")]


def use_interned(value):
    return value[0] is value[1], value[0] is Handle("a"), value[2].name


def work_pickles_in_a_task(x):
    blob = pickle.dumps([Reduced(x), make_state, Singleton, SINGLETON])
    reduced, function, cls, single = pickle.loads(blob)
    return reduced.x, function is make_state, cls is Singleton, single is SINGLETON


def make_own_pickle(x):
    return pickle.dumps([Tupled(x), use_state, State])


def use_own_pickle(value):
    tupled, function, cls = pickle.loads(value)
    return tupled.x, type(tupled) is Tupled, function is use_state, cls is State


class Persistent(pickle.Pickler):
    def persistent_id(self, value):
        return ("id", value.x) if isinstance(value, Registered) else None


class Reader(pickle.Unpickler):
    def persistent_load(self, pid):
        return Registered(pid[1])


def work_pickler_of_the_script(x):
    file = io.BytesIO()
    Persistent(file).dump([Registered(x)])
    file.seek(0)
    return Reader(file).load()[0].x


class Bad:
    def __init__(self, x):
        self.x = x

    def __reduce__(self):
        raise ValueError("cannot be pickled")


def work_result_that_cannot_be_pickled_is_told(x):
    try:
        pickle.dumps(Bad(x))
    except ValueError as error:
        return str(error)
    return "pickled"


class Dropping:
    """Its state has what only this program has."""

    def __init__(self, x):
        self.x = x
        self.callback = lambda: x

    def __getstate__(self):
        state = self.__dict__.copy()
        state.pop("callback", None)
        return state


def make_dropped_state(x):
    return Dropping(x)


def use_dropped_state(value):
    return value.x, hasattr(value, "callback")


class Buffered:
    def __init__(self, x):
        self.data = bytearray(b"x" * 100_000)
        self.x = x

    def __reduce_ex__(self, protocol):
        if protocol >= 5:
            return Buffered._rebuild, (pickle.PickleBuffer(self.data), self.x)
        return Buffered._rebuild, (bytes(self.data), self.x)

    @classmethod
    def _rebuild(cls, data, x):
        made = cls.__new__(cls)
        made.data, made.x = bytearray(data), x
        return made


def make_out_of_band_buffer(x):
    return Buffered(x)


def use_out_of_band_buffer(value):
    return len(value.data), value.data[-1], value.x


class Dispatching(type):
    pass


class Dispatched(metaclass=Dispatching):
    def __init__(self, x):
        self.x = x


def build_dispatched(x):
    return Dispatched(x + 1)


copyreg.pickle(Dispatched, lambda value: (build_dispatched, (value.x,)))


def make_copyreg_of_a_metaclass(x):
    return Dispatched(x)


def use_copyreg_of_a_metaclass(value):
    return value.x


class Mutating:
    """State that is its own dict."""

    def __init__(self, x):
        self.x = x

    def __getstate__(self):
        return self.__dict__

    def __setstate__(self, state):
        self.__dict__ = state


def make_state_is_the_dict(x):
    return Mutating(x)


def use_state_is_the_dict(value):
    return value.x


class Deep:
    def __init__(self, depth):
        self.inner = Deep(depth - 1) if depth else None


def make_deep(x):
    return Deep(40)


def use_deep(value):
    depth = 0
    while value.inner:
        value, depth = value.inner, depth + 1
    return depth
