"""What refers to each other, in whatever order it is loaded, and what has one object in several places."""

import collections
import enum
import threading
import weakref


class Base:
    subclasses = []

    def __init_subclass__(cls):
        Base.subclasses.append(cls)


class First(Base):
    pass


class Second(First):
    pass


def work_registry_from_a_subclass(x):
    return Second.__name__, [cls.__name__ for cls in Second.subclasses]


def work_registry_from_the_base(x):
    return Base.subclasses[0] is First, Base.subclasses[1] is Second


def make_registered_subclass(x):
    return Second()


def use_registered_subclass(value):
    return [type(value) is cls for cls in value.subclasses]


class Meta(type):
    classes = []

    def __new__(mcls, *arguments):
        cls = super().__new__(mcls, *arguments)
        mcls.classes.append(cls)
        mcls.by_name[cls.__name__] = weakref.ref(cls)
        return cls

    by_name = {}


class OfMeta(metaclass=Meta):
    pass


class OfMetaToo(OfMeta):
    pass


def work_registry_of_a_metaclass(x):
    return OfMetaToo.__name__, Meta.classes[1] is OfMetaToo, Meta.by_name["OfMeta"]() is OfMeta


def work_registry_of_a_metaclass_alone(x):
    return [cls.__name__ for cls in Meta.classes]


class Parent:
    child = None

    def make(self):
        return Child()


class Child(Parent):
    origin = Parent()


Parent.child = Child()


def work_instances_of_each_other(x):
    return type(Child.origin.make()) is Child, type(Parent.child).origin is Child.origin


def work_instances_of_each_other_from_the_parent(x):
    return type(Parent.child) is Child, Parent.child.origin is Child.origin


class Handlers:
    registry = {}

    def __init_subclass__(cls, **options):
        Handlers.registry[cls.__name__] = cls()

    def __init__(self):
        self.called = 0


class Plain(Handlers):
    def __reduce__(self):
        return Plain, ()


class Nested(Plain):
    other = Plain()


def work_registry_of_instances(x):
    return {name: each.called for name, each in Nested.registry.items()}, Nested.other.called


class Node:
    def __init__(self):
        self.other = None


left, right = Node(), Node()
left.other, right.other = right, left


def work_globals_that_refer_to_each_other(x):
    return left.other is right, right.other is left


class Single:
    instance = None
    lock = threading.Lock()

    def __new__(cls):
        with cls.lock:
            if cls.instance is None:
                cls.instance = super().__new__(cls)
                cls.instance.count = 0
        return cls.instance


single = Single()


def work_singleton(x):
    return single is Single(), Single.instance is single, single.count


def work_singleton_from_the_class(x):
    return Single() is single


class Restored:
    instance = None

    def __init__(self):
        self.x = 1

    def __getstate__(self):
        return 5

    def __setstate__(self, state):
        self.x = state


restored = Restored()
Restored.instance = restored


def work_instance_with_a_state(x):
    return restored.x, Restored.instance is restored


def make_instance_with_a_state(x):
    return Restored()


def use_instance_with_a_state(value):
    return value.x, value.instance is restored


class Items(list):
    everything = None


Items.everything = items = Items([1, 2])


def work_list_that_its_class_has(x):
    return items, items is Items.everything


registry = []


class Member:
    registry = registry


registry.append(Member)


def work_list_and_class(x):
    return registry[0].registry is registry, Member.registry[0] is Member


def work_list_and_class_from_the_class(x):
    return Member.registry[0] is Member


handlers = {}


def handler(x=handlers):
    return x


handlers["handler"] = handler


def work_default_that_holds_the_function(x):
    return handler() is handlers, handlers["handler"]() is handlers


class App:
    def __init__(self):
        self.routes = {}

    def route(self, path):
        def decorate(function):
            self.routes[path] = function
            return function

        return decorate


app = App()


@app.route("/")
def index(x):
    return app.routes["/"] is index, sorted(app.routes)


class View:
    app = app

    @app.route("/view")
    def get(self):
        return View.app is app


def work_application(x):
    return app.routes["/view"] is View.get, View.app is app, app.routes["/view"](None), index(x)


def work_application_from_a_view(x):
    return View().get(), View.app.routes["/view"] is View.get


work_route = index


class Service:
    def __init__(self, shared):
        self.shared = shared


shared = {}
service = Service(shared)
outer = {"a": {"b": shared}, "t": (shared, [shared])}
ordered = collections.OrderedDict(a=shared)
queue = collections.deque([shared])


def work_one_dict_in_many_places(x):
    service.shared["new"] = x
    return (
        shared.pop("new"),
        service.shared is shared,
        outer["a"]["b"] is shared,
        outer["t"][0] is outer["t"][1][0] is shared,
        ordered["a"] is queue[0] is shared,
    )


inner = [shared, 3]
pair = [inner, inner]
deep = {"x": pair}


def work_lists_in_lists(x):
    return deep["x"] is pair, pair[0] is pair[1] is inner, inner[0] is shared


chain = []
link = (chain, 1)
chain.append(link)


def work_tuple_and_list(x):
    return link[0] is chain, chain[0] is link


def work_list_and_tuple(x):
    return chain[0] is link


bag = set()


class InBag:
    def __init__(self):
        self.bag = bag


in_bag = InBag()
bag.add(in_bag)


def work_set_of_what_refers_to_it(x):
    return in_bag.bag is bag, in_bag in bag


def work_set_alone(x):
    return next(iter(bag)) is in_bag


defaults = collections.defaultdict(list)
defaults["itself"].append(defaults)


def work_refers_to_itself(x):
    return defaults["itself"][0] is defaults, defaults["new"]


target = Node()
reference = weakref.ref(target)
dead = weakref.ref(Node())


def work_weak_references(x):
    return reference() is target, dead() is None


def work_weak_reference_alone(x):
    return reference() is not None


class Tree:
    def __init__(self, parent=None):
        self.children = []
        self.parent = weakref.ref(parent) if parent else None
        if parent:
            parent.children.append(self)


root = Tree()
Tree(root)


def work_tree_with_weak_parents(x):
    return root.children[0].parent() is root


class Colour(enum.Enum):
    RED = 1

    def __init__(self, value):
        self.shared = shared


RED = Colour.RED
colours = [RED]
Colour.default = RED


def work_members_in_globals(x):
    return RED is Colour.RED, colours[0] is RED, Colour.default is RED, RED.shared is shared


def closure():
    cache = {}
    caches = [cache]

    def look(x):
        cache[x] = 1
        return caches[0] is cache

    return look


work_cells_that_share = closure()


class Failure(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


failure = Failure(1, "first")
failures = [failure, Failure(2, "second")]
os_error = [FileNotFoundError(2, "No such file", "name"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why")]


class ExitError(SystemExit):
    pass


def work_errors_in_globals(x):
    return failure.code, failures[0] is failure, failures[1].code, str(failures[1]), [str(one) for one in os_error]


leave = ExitError(3)


def work_error_of_a_built_in_type(x):
    return leave.code, leave.args


class Order:
    second = 1

    def first(self):
        return 1

    third = 2


def work_order_of_attributes(x):
    return [name for name in vars(Order) if not name.startswith("__")]


class Borg:
    _state = {}

    def __init__(self):
        self.__dict__ = self._state


borg = Borg()
borg.value = 3


def work_shared_state(x):
    other = Borg()
    other.added = x
    return borg.value, borg.added, other.__dict__ is Borg._state


class Outer:
    class Inner:
        def up(self):
            return Outer.value

        class Deep:
            z = 3

    def method(self):
        return Outer

    value = Inner()


class OfInner(Outer.Inner):
    method = Outer.method


Outer.subclass = OfInner


def work_inherits_a_part(x):
    return (
        OfInner().up() is Outer.value,
        Outer.subclass is OfInner,
        issubclass(OfInner, Outer.Inner),
        type(Outer.value) is Outer.Inner,
        OfInner.method is Outer.method,
        OfInner.Deep is Outer.Inner.Deep,
    )


def work_inherits_a_part_from_the_whole(x):
    return Outer.subclass.__mro__[1] is Outer.Inner, Outer.subclass.Deep.z, Outer.subclass.method is Outer.method


class Asking:
    """Has no answer before it has its state."""

    def __init__(self):
        self.answers = {"one": 1}
        self.globals = globals()

    def __getattr__(self, name):
        return self.answers[name]


asking = Asking()


def work_asks_itself(x):
    return asking.one, asking.globals is globals()


def asking_closure():
    inner = Asking()

    def ask(x):
        return inner.one

    return ask


work_closure_of_one_that_asks_itself = asking_closure()
