import pytest

from poolifier.errors import UnknownTaskFunctionError
from poolifier.options import WorkerChoiceStrategy, WorkerChoiceStrategyOptions
from poolifier.scheduler.choosers import Choosers
from poolifier.scheduler.functions import Functions
from poolifier.task_functions import TaskFunctionProperties

A = TaskFunctionProperties("a", priority=3)
B = TaskFunctionProperties("b", worker_nodes=(1,), strategy="round_robin")


def functions(*learned):
    made = Functions(Choosers(WorkerChoiceStrategy.LEAST_USED, WorkerChoiceStrategyOptions()))
    if learned:
        made.learn(learned)
    return made


def test_the_first_is_the_default():
    made = functions(A, B)
    assert made.find("default") is made.find("a")
    assert made.default == "a"
    assert made.properties() == [A, B]
    assert made.find("b").affinity.slots == frozenset({1})


def test_an_unknown_name_lists_the_known():
    with pytest.raises(UnknownTaskFunctionError, match=r"unknown task function 'c'; known: 'a', 'b'"):
        functions(A, B).find("c")


def test_before_they_are_learned_any_name_is_taken_on_trust():
    made = functions()
    trusted, wrong, default = made.find("a"), made.find("c"), made.find("default")
    assert trusted.priority == 0
    made.learn([A, B])
    assert made.current(trusted) is trusted
    assert trusted.priority == 3
    assert made.current(default) is trusted
    assert made.current(wrong) is None


def test_learning_again_changes_the_default():
    made = functions(A, B)
    a, b = made.find("a"), made.find("b")
    made.learn([B, A])
    assert made.find("default") is b
    assert (a.name, b.name) == ("a", "b")
    assert made.current(a) is a


def test_learning_again_may_take_one_away():
    made = functions(A, B)
    gone = made.find("b")
    made.learn([A])
    assert made.current(gone) is None
    assert not made.has("b")
    assert gone in made.all()  # workers may still hold tasks of it
    with pytest.raises(UnknownTaskFunctionError):
        made.find("b")


def test_learning_again_redefines():
    made = functions(A, B)
    a = made.find("a")
    made.learn([TaskFunctionProperties("a", priority=-7, worker_nodes=(0, 2)), B])
    assert made.find("a") is a
    assert (a.priority, a.affinity.slots) == (-7, frozenset({0, 2}))


def test_every_function_gets_a_chooser_anew():
    made = functions(A, B)
    choosers = made._choosers
    before = list(choosers.made)
    choosers.change(WorkerChoiceStrategy.FAIR_SHARE, WorkerChoiceStrategyOptions())
    assert not {id(chooser) for chooser in before} & {id(chooser) for chooser in choosers.made}
    assert type(choosers.made[made.find("a").choice]).__name__ == "FairShare"
    assert type(choosers.made[made.find("b").choice]).__name__ == "RoundRobin"
