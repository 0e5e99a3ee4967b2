"""Classes whose statements define what belongs to the metaclass: its own attributes and properties, as proxies and mocks do."""


class Pretends:
    __class__ = property(lambda self: int)


def work_a_property_in_place_of_the_class(x):
    return isinstance(Pretends(), int), type(Pretends()) is Pretends, type(Pretends) is type


class Forwards:
    def __init__(self, target):
        object.__setattr__(self, "_target", target)

    @property
    def __class__(self):
        return type(self._target)

    @property
    def __dict__(self):
        return {"forwarded": self._target}

    def __getattr__(self, name):
        return getattr(self._target, name)


def work_a_proxy(x):
    proxy = Forwards("text")
    return isinstance(proxy, str), proxy.upper(), vars(proxy), type(proxy) is Forwards


class Lies:
    __class__ = dict


def work_another_class(x):
    return isinstance(Lies(), dict), type(Lies) is type, Lies.__class__ is type


class Named:
    __name__ = "another name"
    __mro__ = 7
    __bases__ = ("b",)
    __base__ = None
    __flags__ = "none"


def work_names_of_the_metaclass(x):
    one = Named()
    return (one.__name__, one.__mro__, one.__bases__, one.__base__, one.__flags__), Named.__name__, Named.__bases__


class RefersToItself:
    def own(self):
        return __class__

    @property
    def __class__(self):
        return RefersToItself


def work_one_that_refers_to_itself(x):
    return RefersToItself().own() is RefersToItself, RefersToItself().__class__ is RefersToItself


class SlotsAndDictionary:
    __slots__ = ("value",)
    __dict__ = property(lambda self: {"value": self.value})


def work_slots_and_a_property_for_the_dictionary(x):
    one = SlotsAndDictionary()
    one.value = 3
    return vars(one), sorted(SlotsAndDictionary.__slots__)


class Labels(type):
    @property
    def label(cls):
        return "of the metaclass"

    @property
    def guarded(cls):
        return "guarded"

    @guarded.setter
    def guarded(cls, value):
        raise AttributeError("not to be set")


class Labelled(metaclass=Labels):
    label = "its own"
    guarded = 5

    def both(self):
        return self.label, type(self).label, self.guarded, type(self).guarded


def work_properties_of_the_metaclass(x):
    return Labelled().both()


class Derived(Labelled):
    label = "derived"


def work_a_class_derived_from_that(x):
    return Derived().both(), Derived.__mro__[1] is Labelled


class Documented:
    __doc__ = property(lambda self: f"of {type(self).__name__}")


def work_a_documentation_that_is_computed(x):
    return Documented().__doc__


def make_labelled(x):
    return Labelled()


def use_labelled(value):
    return value.both()


def work_a_local_class(x):
    class Local:
        __class__ = property(lambda self: list)
        __name__ = "local"

    return isinstance(Local(), list), Local().__name__, Local.__name__
