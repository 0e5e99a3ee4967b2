"""CPython's own tests of executors, run against ours where this Python came with them.

What is left out reaches into attributes that are private to the standard library's executors, or tests what only they
do; why is said here. What such a test is about is tested in this folder through what is public.
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

THREADS = "counts or joins the threads in `_threads`"
PROCESSES = "counts, joins or ends the processes in `_processes`"
SHARED = "wants what the original cannot give to interpreters to be refused; ours runs it"
FAILED = "wants the cause to be, or to be logged as, an `ExecutionFailed` of `concurrent.interpreters`"
MANAGER = "waits for the thread in `_executor_manager_thread`"

LEFT_OUT = {
    # Threads
    "ThreadPoolExecutorTest.test_saturation": THREADS,
    "ThreadPoolExecutorTest.test_idle_thread_reuse": THREADS,
    "ThreadPoolShutdownTest.test_threads_terminate": THREADS,
    "ThreadPoolShutdownTest.test_context_manager_shutdown": THREADS,
    "ThreadPoolShutdownTest.test_del_shutdown": THREADS,
    "ThreadPoolShutdownTest.test_shutdown_no_wait": THREADS,
    "ThreadPoolShutdownTest.test_thread_names_assigned": THREADS,
    "ThreadPoolShutdownTest.test_thread_names_default": THREADS,
    # Processes
    "ProcessPoolExecutorTest.test_killed_child": PROCESSES + ", and wants the executor broken; ours lives on",
    "ProcessPoolExecutorTest.test_saturation": PROCESSES,
    "ProcessPoolExecutorTest.test_idle_process_reuse_one": PROCESSES,
    "ProcessPoolExecutorTest.test_idle_process_reuse_multiple": PROCESSES,
    "ProcessPoolExecutorTest.test_max_tasks_per_child": PROCESSES,
    "ProcessPoolExecutorTest.test_max_tasks_per_child_defaults_to_spawn_context": "looks at `_mp_context`",
    "ProcessPoolExecutorTest.test_traceback": "wants the cause to be a private class, `_RemoteTraceback`",
    "ProcessPoolExecutorTest.test_python_finalization_error": "counts the threads that the executor starts",
    "ProcessPoolShutdownTest.test_processes_terminate": PROCESSES,
    "ProcessPoolShutdownTest.test_context_manager_shutdown": PROCESSES,
    "ProcessPoolShutdownTest.test_del_shutdown": PROCESSES + ", and " + MANAGER,
    "ProcessPoolShutdownTest.test_shutdown_no_wait": PROCESSES + ", and " + MANAGER,
    "DeadlockTest.test_shutdown_deadlock_pickle": MANAGER,
    "DeadlockTest.test_gh105829_should_not_deadlock_if_wakeup_pipe_full": "replaces private classes of the original",
    "ProcessPoolForkserverFailingInitializerTest.test_initializer": "wants the worker to log that its initializer has "
    "failed, to a queue that it was given; here the program logs it",
}
LEFT_OUT["ProcessPoolSpawnFailingInitializerTest.test_initializer"] = LEFT_OUT[
    "ProcessPoolForkserverFailingInitializerTest.test_initializer"
]
# Several of these, where they fail, wait forever for tasks that they do not come to end.
FROM_3_14 = {
    "ProcessPoolExecutorTest.test_broken_process_pool_traceback": PROCESSES + ", and wants the executor broken",
    "ProcessPoolExecutorTest.test_force_shutdown_workers": PROCESSES,
    "ProcessPoolExecutorTest.test_force_shutdown_workers_stops_pool": PROCESSES,
    "ProcessPoolExecutorTest.test_force_shutdown_workers_invalid_op": "calls `_force_shutdown`",
    "ProcessPoolExecutorTest.test_terminate_workers": "replaces `_force_shutdown`",
    "ProcessPoolExecutorTest.test_kill_workers": "replaces `_force_shutdown`",
    "ProcessPoolExecutorTest.test_shutdown_no_wait_max_tasks_gh119592": MANAGER,
    "ProcessPoolExecutorTest.test_gc_during_max_tasks_worker_exit_gh152967": MANAGER,
    "ProcessPoolExecutorTest.test_force_shutdown_during_max_tasks_worker_exit": MANAGER,
    "ProcessPoolExecutorTest.test_failed_worker_replacement_breaks_pool": MANAGER,
    "ProcessPoolShutdownTest.test_shutdown_gh_132969_case_1": MANAGER,
    "ProcessPoolShutdownTest.test_shutdown_gh_132969_case_2": MANAGER,
    # Interpreters
    "InterpreterPoolExecutorTest.test_saturation": THREADS,
    "InterpreterPoolExecutorTest.test_idle_thread_reuse": THREADS,
    "InterpreterPoolExecutorTest.test_thread_name_prefix": "looks at `_thread_name_prefix`",
    "InterpreterPoolExecutorTest.test_init_closure": SHARED,
    "InterpreterPoolExecutorTest.test_init_instance_method": SHARED,
    "InterpreterPoolExecutorTest.test_submit_closure": SHARED,
    "InterpreterPoolExecutorTest.test_submit_instance_method": SHARED,
    "InterpreterPoolExecutorTest.test_submit_local_instance": SHARED,
    "InterpreterPoolExecutorTest.test_init_exception_in_func": FAILED,
    "InterpreterPoolExecutorTest.test_submit_exception_in_func": FAILED,
    "AsyncioTest.test_default_executor": "asyncio compares it with `futures.ThreadPoolExecutor`, which is ours here",
    "InterpreterPoolExecutorTest.test_pickle_errors_propagate": "wants a `NotShareableError` of the interpreters; ours "
    "is the error of the other executors, an `UnpicklingError`",
}
FROM_3_15 = {
    "ProcessPoolExecutorTest.test_traceback_when_child_process_terminates_abruptly": "wants the cause to be a private "
    "class, `_RemoteTraceback`",
}
if sys.version_info >= (3, 14):
    LEFT_OUT |= FROM_3_14
if sys.version_info >= (3, 15):
    LEFT_OUT |= FROM_3_15

# With the start method "fork" ours does exactly what it does with "forkserver".
KINDS = ["ThreadPool", "ProcessPoolForkserver", "ProcessPoolSpawn", "InterpreterPool"]
LEAST = {"ThreadPool": 37, "ProcessPoolForkserver": 48, "ProcessPoolSpawn": 48, "InterpreterPool": 31}
if sys.version_info >= (3, 14):
    LEAST = {"ThreadPool": 48, "ProcessPoolForkserver": 61, "ProcessPoolSpawn": 61, "InterpreterPool": 55}
"""Tests that CPython 3.13, or 3.14, has for each, without those left out."""

pytestmark = pytest.mark.skipif(
    find_spec("test.test_concurrent_futures") is None or sys.version_info < (3, 13),
    reason="this Python came without its own tests, or has them in another shape",
)


def suite(kind, outcome):
    script = Path(__file__).with_name("cpython_suite.py")
    command = [sys.executable, script, json.dumps(list(LEFT_OUT)), kind, outcome]
    done = subprocess.run(command, capture_output=True, text=True, timeout=540, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(outcome.read_text()), done.stderr


def kinds_that_are_asked_for(request):
    tests = [item for item in request.session.items if item.module is request.module]
    if not all(hasattr(item, "callspec") for item in tests):
        return KINDS  # one is there that needs all
    chosen = {item.callspec.params["kind"] for item in tests}
    return [kind for kind in KINDS if kind in chosen]


@pytest.fixture(scope="module")
def suites(request, tmp_path_factory):
    """They spend their time asleep, so two go side by side."""
    folder = tmp_path_factory.mktemp("outcomes")
    with ThreadPoolExecutor(2) as executor:
        yield {kind: executor.submit(suite, kind, folder / kind) for kind in kinds_that_are_asked_for(request)}


@pytest.mark.parametrize("kind", KINDS)
def test_they_pass(suites, kind):
    outcome, said = suites[kind].result()
    assert not outcome["failed"], said
    skipped = {test.rpartition(".")[2] for test, why in outcome["skipped"] if "have no events" not in why}
    assert skipped <= {
        "test_max_workers_too_large",  # for Windows
        "test_hang_gh83386",  # hangs with the original
        "test_free_reference",  # weak references, which do not reach other interpreters
        "test_no_stale_references",
    }
    assert outcome["run"] >= LEAST[kind]


def test_nothing_is_left_out_that_is_not_there(suites):
    named = {name for kind in KINDS for name in suites[kind].result()[0]["left_out"]}
    assert {entry for entry in LEFT_OUT if not any(name.endswith(entry) for name in named)} == set()
