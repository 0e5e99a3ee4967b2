"""Which abstract base classes a class was registered with, whatever classes there are besides."""

import abc
from collections.abc import Sequence

from poolifier.wire.scripts.abstract import registered_with


def test_nothing_is_asked_of_classes_that_have_nothing_to_do_with_it():
    class Hostile(abc.ABCMeta):
        def __getattribute__(cls, name):
            if name in {"__module__", "__class__"}:
                raise ValueError("no")
            return super().__getattribute__(name)

        def __eq__(cls, other):
            raise TypeError("no")

        def __hash__(cls):
            return hash(int)

    class Odd(metaclass=Hostile):
        pass

    class Plain:
        pass

    Sequence.register(Plain)
    assert Sequence in registered_with(Plain)
    assert type(Odd) is Hostile
