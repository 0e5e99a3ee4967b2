"""A wrong argument raises the type that the reference names, and the message names argument and value."""

import re
from typing import get_type_hints

import pytest

from poolifier import (
    DynamicProcessPool,
    FixedProcessPool,
    FixedThreadPool,
    MeasurementOptions,
    TaskFunction,
    TasksQueueOptions,
    UnknownTaskFunctionError,
    Worker,
    WorkerChoiceStrategyOptions,
)
from poolifier.options import PoolOptions, ProcessOptions
from poolifier.pool.kinds.keywords import PoolKeywords, ProcessPoolKeywords

NOT_OPTIONS = {"sizes", "dynamic", "return"}

SIZES = [
    ((-1,), ValueError, "n must be at least 1, not -1"),
    ((0,), ValueError, "n must be at least 1, not 0"),
    ((1.5,), TypeError, "n must be an integer of at least 1, not 1.5"),
    (("2",), TypeError, "n must be an integer of at least 1, not '2'"),
    ((True,), TypeError, "n must be an integer of at least 1, not True"),
    ((None,), TypeError, "n must be an integer of at least 1, not None"),
    ((-1, 2), ValueError, "min must be at least 0, not -1"),
    ((0, 0), ValueError, "max must be at least 1, not 0"),
    ((1, -2), ValueError, "max must be at least 1, not -2"),
    ((1.0, 2), TypeError, "min must be an integer of at least 0, not 1.0"),
    ((0, 2.0), TypeError, "max must be an integer of at least 1, not 2.0"),
    ((0, None), TypeError, "max must be an integer of at least 1, not None"),
    ((False, 2), TypeError, "min must be an integer of at least 0, not False"),
    ((3, 2), ValueError, "min must not be above max, got min=3 and max=2"),
    ((2, 2), ValueError, "use a fixed pool"),
]

SWAPPED = [
    (
        FixedProcessPool,
        (len, 2),
        "n must be an integer of at least 1, not <built-in function len>: the number of workers",
    ),
    (FixedThreadPool, ({"f": len}, 2), "comes first, and then what the workers run, as in FixedProcessPool(2, worker)"),
    (FixedProcessPool, ("workers.py", 2), "not 'workers.py': the number of workers comes first"),
    (FixedThreadPool, (Worker(len), 2), "the number of workers comes first"),
    (
        DynamicProcessPool,
        (len, 1, 2),
        "min must be an integer of at least 0, not <built-in function len>: min and max come",
    ),
    (
        DynamicProcessPool,
        (1, len, 2),
        "max must be an integer of at least 1, not <built-in function len>: min and max come",
    ),
]


@pytest.mark.parametrize(("pool_type", "arguments", "message"), SWAPPED)
def test_arguments_in_the_wrong_order(pool_type, arguments, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        pool_type(*arguments)


TYPOS = [
    ({"time_out": 1}, "has no option 'time_out' (did you mean 'timeout'?): its options are abort_grace, "),
    ({"Initializer": len}, "has no option 'Initializer' (did you mean 'initializer'?): "),
    ({"cpu_afinity": [1]}, "has no option 'cpu_afinity' (did you mean 'cpu_affinity'?): "),
    ({"colour": 1}, "has no option 'colour': its options are "),
    ({"worker_choice_strategy": "least-used"}, "not 'least-used' (did you mean 'least_used'?)"),
    ({"worker_choice_strategy_options": {"weight": {}}}, "has no option 'weight' (did you mean 'weights'?); it has "),
    ({"tasks_queue_options": {"concurency": 3}}, "no option 'concurency' (did you mean 'concurrency'?); it has size, "),
    ({"start_method": "forkserver"}, "not 'forkserver' (did you mean 'fork_server'?)"),
]


@pytest.mark.parametrize(("options", "message"), TYPOS)
def test_options_that_are_misspelt(options, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        FixedProcessPool(2, len, **options)


@pytest.mark.parametrize(("sizes", "error", "message"), SIZES)
def test_sizes(sizes, error, message):
    pool = FixedProcessPool if len(sizes) == 1 else DynamicProcessPool
    with pytest.raises(error, match=re.escape(message)):
        pool(*sizes, len)


OPTIONS = [
    ({"worker_choice_strategy": "fastest"}, ValueError, "'fastest'"),
    ({"worker_choice_strategy": 3}, TypeError, "worker_choice_strategy must be one of 'round_robin'"),
    ({"worker_choice_strategy": object}, TypeError, "must have a method choose"),
    ({"worker_choice_strategy_options": {"weight": {}}}, ValueError, "has no option 'weight'"),
    ({"worker_choice_strategy_options": 1}, TypeError, "WorkerChoiceStrategyOptions"),
    ({"worker_choice_strategy_options": {"weights": {0: 1.0}}}, ValueError, "each slot 0 to 1, got slots [0]"),
    ({"worker_choice_strategy_options": {"weights": {0: 1, 1: 0}}}, ValueError, "weights[1] must be above 0"),
    ({"worker_choice_strategy_options": {"weights": {0: 1, 1: "2"}}}, TypeError, "weights[1] must be a number"),
    ({"worker_choice_strategy_options": {"measurement": "mood"}}, ValueError, "measurement must be one of"),
    ({"worker_choice_strategy_options": {"run_time": {"median": 1}}}, TypeError, "median must be True or False, not 1"),
    ({"enable_tasks_queue": 1}, TypeError, "enable_tasks_queue must be True or False, not 1"),
    ({"tasks_queue_options": {"size": 0}}, ValueError, "size must be at least 1, not 0"),
    ({"tasks_queue_options": {"size": True}}, TypeError, "size must be an integer of at least 1, not True"),
    ({"tasks_queue_options": {"concurrency": 0}}, ValueError, "concurrency must be at least 1, not 0"),
    ({"tasks_queue_options": {"concurrency": 1.5}}, TypeError, "concurrency must be an integer"),
    ({"tasks_queue_options": {"tasks_stealing_ratio": 1.1}}, ValueError, "tasks_stealing_ratio must be from 0 to 1"),
    ({"tasks_queue_options": {"tasks_stealing_ratio": -0.1}}, ValueError, "tasks_stealing_ratio must be from 0 to 1"),
    ({"tasks_queue_options": {"tasks_stealing_ratio": float("nan")}}, ValueError, "tasks_stealing_ratio"),
    ({"tasks_queue_options": {"aging_factor": -1}}, ValueError, "aging_factor must not be negative, got -1"),
    ({"tasks_queue_options": {"task_stealing": "no"}}, TypeError, "task_stealing must be True or False, not 'no'"),
    ({"tasks_queue_options": {"depth": 3}}, ValueError, "has no option 'depth'; it has size"),
    ({"start_workers": None}, TypeError, "start_workers must be True or False, not None"),
    ({"restart_limit": 5}, TypeError, "restart_limit must be a pair (restarts, seconds), not 5"),
    ({"restart_limit": (-1, 1.0)}, ValueError, "restart_limit: the number of restarts must be at least 0, not -1"),
    ({"restart_limit": (1, 0)}, ValueError, "restart_limit: the seconds must be above 0, not 0"),
    ({"timeout": 0}, ValueError, "timeout must be above 0 seconds or None, not 0"),
    ({"timeout": "1"}, TypeError, "timeout must be a number of seconds above 0, or None, not '1'"),
    ({"exit_timeout": 10**400}, ValueError, "exit_timeout must be a number, not an integer that is too large"),
    ({"timeout": float("nan")}, ValueError, "timeout must be a number of seconds above 0, or None, not nan"),
    ({"abort_grace": -1}, ValueError, "abort_grace must not be negative, got -1"),
    ({"destroy_timeout": None}, TypeError, "destroy_timeout must be a number, not None"),
    ({"max_queued": 0}, ValueError, "max_queued must be at least 1, not 0"),
    ({"max_tasks_per_worker": 0}, ValueError, "max_tasks_per_worker must be at least 1, not 0"),
    ({"max_memory_per_worker": 1.5}, TypeError, "max_memory_per_worker must be an integer"),
    ({"initializer": 3}, TypeError, "initializer must be callable or None, not 3"),
    ({"initargs": "ab"}, TypeError, "initargs must be a tuple of arguments, not 'ab'"),
    ({"error_handler": 3}, TypeError, "error_handler must be callable or None, not 3"),
    ({"env": ["A=1"]}, TypeError, "env must be a mapping"),
    ({"env": {"A": 1}}, TypeError, "env must map strings to strings"),
    ({"env": {"A=B": "1"}}, ValueError, "env must have proper variable names"),
    ({"nice": 20}, ValueError, "nice must be from -20 to 19, not 20"),
    ({"nice": 1.0}, TypeError, "nice must be an integer or None, not 1.0"),
    ({"cpu_affinity": []}, ValueError, "cpu_affinity must name at least one CPU"),
    ({"cpu_affinity": "01"}, TypeError, "cpu_affinity must be CPU numbers"),
    ({"cpu_affinity": [-1]}, ValueError, "cpu_affinity: a CPU must be at least 0, not -1"),
    ({"start_method": "fork"}, ValueError, "start_method must be 'fork_server' or 'spawn', not 'fork'"),
    ({"preload": 1}, TypeError, "preload must be True or False, not 1"),
    ({"ray_options": {}}, TypeError, "FixedProcessPool has no option 'ray_options': it is one of Ray pools"),
    ({"size": 3}, TypeError, "FixedProcessPool has no option 'size'"),
]


@pytest.mark.parametrize(("options", "error", "message"), OPTIONS, ids=lambda value: str(value)[:50])
def test_options(options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        FixedProcessPool(2, len, **options)


WORKERS = [
    (None, TypeError, "worker must be"),
    (3, TypeError, "3"),
    ({}, ValueError, "worker must hold at least one task function; {} holds none"),
    (Worker(), ValueError, "worker must hold at least one task function"),
    ("", ValueError, "worker must name a Python file or a module, got ''"),
    ("missing.py", ValueError, "worker: there is no file 'missing.py'"),
    ({"": len}, ValueError, "worker: name must not be empty"),
    ({3: len}, TypeError, "worker: name must be a string, not 3"),
    ({"default": len}, ValueError, "worker: name 'default' is reserved"),
    ({"f": 3}, TypeError, "worker: task_functions['f'] must be a callable or a TaskFunction, not 3"),
]


@pytest.mark.parametrize(("worker", "error", "message"), WORKERS, ids=lambda value: str(value)[:50])
def test_workers(worker, error, message):
    with pytest.raises(error, match=re.escape(message)):
        FixedProcessPool(2, worker)


DECLARATIONS = [
    (lambda: TaskFunction(3), TypeError, "function must be callable, not 3"),
    (lambda: TaskFunction(len, priority=20), ValueError, "priority must be from -20 (first) to 19 (last), not 20"),
    (lambda: TaskFunction(len, priority=-21), ValueError, "-21"),
    (lambda: TaskFunction(len, priority=0.5), TypeError, "priority must be an integer from -20 to 19, not 0.5"),
    (lambda: TaskFunction(len, priority=True), TypeError, "True"),
    (lambda: TaskFunction(len, strategy=3), TypeError, "strategy must be"),
    (lambda: TaskFunction(len, strategy="fastest"), ValueError, "fastest"),
    (lambda: TaskFunction(len, strategy="roundrobin"), ValueError, "(did you mean 'round_robin'?)"),
    (lambda: TaskFunction(len, worker_nodes=[]), ValueError, "worker_nodes must name at least one slot"),
    (lambda: TaskFunction(len, worker_nodes=[-1]), ValueError, "worker_nodes must be slots from 0 on, not -1"),
    (lambda: TaskFunction(len, worker_nodes=["0"]), TypeError, "worker_nodes must be slot numbers, not '0'"),
    (lambda: TaskFunction(len, worker_nodes=1), TypeError, "worker_nodes must be slot numbers or None, not 1"),
    (lambda: FixedProcessPool(2, TaskFunction(len, worker_nodes=[2])), ValueError, "worker_nodes"),
    (lambda: Worker(len, max_inactive_time=0), ValueError, "max_inactive_time must be above 0 seconds, not 0"),
    (lambda: Worker(len, max_inactive_time="1"), TypeError, "max_inactive_time must be a number of seconds, not '1'"),
    (lambda: Worker(len, kill_behavior="gentle"), ValueError, "kill_behavior must be 'soft' or 'hard', not 'gentle'"),
    (lambda: Worker(len, kill_handler=3), TypeError, "kill_handler must be callable or None, not 3"),
    (lambda: Worker(len).remove_task_function("len"), ValueError, "default task function"),
    (lambda: Worker(len).remove_task_function("nope"), UnknownTaskFunctionError, "known: 'len'"),
    (lambda: Worker(len).set_default_task_function("nope"), UnknownTaskFunctionError, "'nope'"),
    (lambda: Worker(len).set_default_task_function("default"), ValueError, "reserved"),
    (lambda: Worker(len).add_task_function("default", len), ValueError, "reserved"),
    (lambda: MeasurementOptions(median="yes"), TypeError, "median must be True or False, not 'yes'"),
    (lambda: TasksQueueOptions(tasks_finished_timeout=-1), ValueError, "tasks_finished_timeout must not be negative"),
    (lambda: WorkerChoiceStrategyOptions(weights=[1, 2]), TypeError, "weights must map slots to milliseconds"),
    (lambda: WorkerChoiceStrategyOptions(weights={-1: 2}), ValueError, "weights: a slot must be at least 0, not -1"),
]


@pytest.mark.parametrize(("declare", "error", "message"), DECLARATIONS)
def test_declarations(declare, error, message):
    with pytest.raises(error, match=re.escape(message)):
        declare()


def test_calls(run):
    async def main():
        async with FixedProcessPool(1, {"count": len, "keep": list}) as pool:
            with pytest.raises(UnknownTaskFunctionError, match="unknown task function 'nope'; known: 'count', 'keep'"):
                pool.execute("data", "nope")
            with pytest.raises(
                UnknownTaskFunctionError,
                match=r"unknown task function 'cuont' \(did you mean 'count'\?\); known: 'count', 'keep'",
            ):
                pool.execute("data", "cuont")
            with pytest.raises(TypeError, match="name must be a string, a task function or None, not 3: "):
                pool.execute("data", 3)
            with pytest.raises(ValueError, match="name must not be empty, got ''"):
                pool.execute("data", "")
            # Most likely a second argument for the function, even where it could be no key of a mapping.
            for call in (pool.execute, pool.map_ordered, pool.stream):
                message = (
                    r"name must be a string, a task function or None, not \[1\]: .* put several values into a tuple"
                )
                with pytest.raises(TypeError, match=message):
                    call("data", [1])
            # As much is said where the calls are compiled, which would check types by itself.
            for call in (pool.execute, pool.map_ordered):
                with pytest.raises(TypeError, match="timeout must be a number of seconds above 0, or None, not '1'"):
                    call("data", timeout="1")
                with pytest.raises(TypeError, match=r"priority must be an integer from -20 to 19, not 1\.5"):
                    call("data", priority=1.5)
                with pytest.raises(TypeError, match="retries must be an integer of at least 0, not None"):
                    call("data", retries=None)
            with pytest.raises(ValueError, match="priority must be from -20"):
                pool.execute("data", priority=20)
            with pytest.raises(TypeError, match="priority must be an integer"):
                pool.execute("data", priority="high")
            with pytest.raises(ValueError, match="retries must be at least 0, not -1"):
                pool.execute("data", retries=-1)
            with pytest.raises(TypeError, match=r"retries must be an integer of at least 0, not 1\.5"):
                pool.execute("data", retries=1.5)
            with pytest.raises(ValueError, match="worker_choice_strategy must be one of"):
                pool.set_worker_choice_strategy("fastest")
            with pytest.raises(ValueError, match="size must be at least 1, not 0"):
                pool.set_tasks_queue_options({"size": 0})
            with pytest.raises(TypeError, match="enable must be True or False, not 1"):
                pool.enable_tasks_queue(1)
            with pytest.raises(TypeError, match="name must be a string"):
                pool.has_task_function(3)
            # None of it lost anything.
            assert await pool.execute("data") == 4
            assert pool.info.submitted_tasks == 1

    run(main())


@pytest.mark.parametrize("option", ["return_exceptions", "progress"])
@pytest.mark.parametrize("value", [1, "no", None])
def test_flags_of_maps(run, option, value):
    """Whatever is not empty would count as a yes, "no" as well."""
    message = re.escape(f"{option} must be True or False, not {value!r}")

    async def main():
        async with FixedThreadPool(1, len) as pool:
            for call in (pool.map_ordered, pool.map_unordered):
                with pytest.raises(TypeError, match=message):
                    call(["data"], **{option: value})
            with pytest.raises(TypeError, match=message):
                await pool.map_execute(["data"], **{option: value})
            assert pool.info.submitted_tasks == 0

    run(main())


METHODS = ["execute", "submit", "stream", "map_execute", "map_ordered", "map_unordered"]


@pytest.mark.parametrize("method", METHODS)
def test_what_python_says_of_wrong_keywords_speaks_of_a_pool(method):
    """Its own words name the method by its class, which is to be one that users have heard of."""
    pool = FixedThreadPool(1, len)
    with pytest.raises(TypeError, match=rf"^Pool\.{method}\(\) got an unexpected keyword argument 'prio'"):
        getattr(pool, method)([1], prio=3)


def test_the_constructor_does_no_io(no_leaks):
    for _ in range(100):
        FixedProcessPool(2, len)
        DynamicProcessPool(0, 2, "package.that.does.not.exist")


@pytest.mark.parametrize(
    ("declared", "checked"),
    [(PoolKeywords, PoolOptions.checked), (ProcessPoolKeywords, ProcessOptions)],
    ids=["every pool", "process pools"],
)
def test_options_are_declared_as_they_are_checked(declared, checked):
    """By name and by type, for type checkers."""
    inherited = set() if declared is PoolKeywords else get_type_hints(PoolKeywords)
    own = {name: hint for name, hint in get_type_hints(declared).items() if name not in inherited}

    assert own == {name: hint for name, hint in get_type_hints(checked).items() if name not in NOT_OPTIONS}
