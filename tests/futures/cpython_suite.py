"""Runs CPython's own tests of executors against ours, in a process of its own, which writes the outcome to a file.

`concurrent.futures` is made to hold our executors before the tests are imported, and so are the scripts that they run.
"""

import json
import sys
import unittest
from concurrent import futures
from pathlib import Path

from poolifier import futures as ours

futures.ThreadPoolExecutor = ours.ThreadPoolExecutor
futures.ProcessPoolExecutor = ours.ProcessPoolExecutor
futures.InterpreterPoolExecutor = ours.InterpreterPoolExecutor

from test.support import script_helper  # noqa: E402
from test.test_concurrent_futures import (  # noqa: E402
    test_as_completed,
    test_deadlock,
    test_init,
    test_process_pool,
    test_shutdown,
    test_thread_pool,
    test_wait,
    util,
)
from test.test_concurrent_futures.executor import ExecutorTest  # noqa: E402

MODULES = [test_as_completed, test_deadlock, test_init, test_process_pool, test_shutdown, test_thread_pool, test_wait]
if sys.version_info >= (3, 14):
    from test.test_concurrent_futures import test_interpreter_pool

    # Comes first: it wants that nobody has made an event loop yet, as our executors do.
    MODULES.insert(0, test_interpreter_pool)


GENERIC = [
    ExecutorTest,
    test_as_completed.AsCompletedTests,
    test_init.InitializerMixin,
    test_init.FailingInitializerMixin,
    test_shutdown.ExecutorShutdownTest,
    test_wait.WaitTests,
]
# What CPython runs on its executor of interpreters, which it has from 3.14 on.
OF_INTERPRETERS = GENERIC[:4] if sys.version_info >= (3, 14) else []


class InterpreterPoolMixin(util.ExecutorMixin):
    executor_type = ours.InterpreterPoolExecutor

    def create_event(self):
        """Asked for from CPython 3.14 on. There, too, interpreters have none."""
        self.skipTest("interpreters have no events")


def make_interpreter_tests():
    """CPython's generic tests that it does not run on interpreters itself."""
    for mixin in GENERIC:
        if mixin not in OF_INTERPRETERS:
            name = f"InterpreterPool{mixin.__name__}"
            yield type(name, (mixin, InterpreterPoolMixin, util.BaseTestCase), {"__module__": mixin.__module__})


def with_ours(call):
    """The same, with scripts among the arguments that import our executors."""

    def run(*arguments, **keywords):
        return call(*(_rewritten(argument) for argument in arguments), **keywords)

    return run


def _rewritten(argument):
    return argument.replace("from concurrent.futures import", "from poolifier.futures import")


def every_test(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from every_test(test)
        else:
            yield test


def main():
    excluded = json.loads(sys.argv[1])
    kind = sys.argv[2]
    test_shutdown.assert_python_ok = with_ours(test_shutdown.assert_python_ok)
    script_helper.make_script = with_ours(script_helper.make_script)
    loader = unittest.defaultTestLoader
    tests = [loader.loadTestsFromModule(module) for module in MODULES]
    tests += [loader.loadTestsFromTestCase(case) for case in make_interpreter_tests()]
    chosen = unittest.TestSuite()
    left_out = []
    for test in every_test(tests):
        name = test.id().removeprefix("test.test_concurrent_futures.")
        case = name.split(".")[-2]
        if name.startswith("test_interpreter_pool."):
            case = "InterpreterPool" + case  # as one of them is called only `AsyncioTest`
        if not case.startswith(kind):
            continue
        if any(name.endswith(suffix) for suffix in excluded):
            left_out.append(name)
        else:
            chosen.addTest(test)
    result = unittest.TextTestRunner(verbosity=2, durations=5).run(chosen)
    outcome = {
        "run": result.testsRun,
        "failed": [test.id() for test, _ in result.failures + result.errors],
        "skipped": [[test.id(), why] for test, why in result.skipped],
        "left_out": left_out,
    }
    Path(sys.argv[3]).write_text(json.dumps(outcome))


if __name__ == "__main__":
    main()
