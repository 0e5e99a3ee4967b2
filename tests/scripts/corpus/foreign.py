"""Types, libraries and functions of C."""

import ctypes

libc = ctypes.CDLL(None)
libc.strlen.argtypes = [ctypes.c_char_p]
libc.strlen.restype = ctypes.c_size_t
absolute = libc.abs


class Inner(ctypes.Structure):
    _fields_ = [("a", ctypes.c_int), ("b", ctypes.c_double)]

    def total(self):
        return self.a + self.b


class Packed(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("flag", ctypes.c_char), ("number", ctypes.c_int), ("bits", ctypes.c_int, 3)]


class Either(ctypes.Union):
    _anonymous_ = ["inner"]
    _fields_ = [("number", ctypes.c_int), ("inner", Inner)]


class Node(ctypes.Structure):
    pass


Node._fields_ = [("value", ctypes.c_int), ("next", ctypes.POINTER(Node)), ("inners", Inner * 2)]


class Big(ctypes.BigEndianStructure):
    _fields_ = [("number", ctypes.c_uint32)]


class More(Inner):
    _fields_ = [("c", ctypes.c_int)]


Pair = Inner * 2
Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)


def make_structure(x):
    return [Inner(x, 2.0), Packed(b"f", x, 1), Either(number=x), Big(x), More(1, 2.0, x)]


def use_structure(value):
    inner, packed, either, big, more = value
    return (
        inner.total(),
        packed.number,
        packed.bits,
        ctypes.sizeof(Packed),
        either.a,
        bytes(big),
        more.c,
        more.total(),
        type(inner) is Inner,
    )


def work_types_made_of_others(x):
    node = Node(x)
    node.next = ctypes.pointer(node)
    return Pair()[1].a, Callback(lambda y: y + 1)(x), node.next.contents.value, len(node.inners)


def work_libraries(x):
    return libc.strlen(b"abc"), absolute(-x), libc.strlen.argtypes == [ctypes.c_char_p]


def work_function_of_a_library_alone(x):
    return absolute(-x)
