from poolifier.scheduler.edges import Edges
from poolifier.scheduler.effects import Emit


def reported(*states, ended="busy_end"):
    edges, effects = Edges(), []
    for active in states:
        edges.report(effects, "busy", ended, active=active)
    return [effect.event for effect in effects]


def test_reports_changes_once():
    assert reported(False, True, True, False, False, True) == ["busy", "busy_end", "busy"]


def test_an_end_may_have_no_name():
    assert reported(True, False, True, ended=None) == ["busy", "busy"]


def test_states_are_apart():
    edges, effects = Edges(), []
    edges.report(effects, "busy", "busy_end", active=True)
    edges.report(effects, "full", "full_end", active=True)
    edges.report(effects, "busy", "busy_end", active=False)
    assert effects == [Emit("busy"), Emit("full"), Emit("busy_end")]
