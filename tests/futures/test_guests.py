"""Libraries that take an executor."""

import os
import subprocess
import sys

import pytest

from poolifier.futures import ProcessPoolExecutor, ThreadPoolExecutor


def square(number):
    return number * number


@pytest.mark.parametrize("executor_type", [ProcessPoolExecutor, ThreadPoolExecutor])
def test_tqdm_shows_the_progress_of_a_map(executor_type, capsys):
    tqdm = pytest.importorskip("tqdm")
    with executor_type(2) as executor:
        assert list(tqdm.tqdm(executor.map(square, range(50)), total=50)) == [n * n for n in range(50)]
    assert "50/50" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "executor_type"), [("process_map", ProcessPoolExecutor), ("thread_map", ThreadPoolExecutor)]
)
def test_tqdm_gives_its_lock_to_the_workers(name, executor_type, monkeypatch, capsys):
    pytest.importorskip("tqdm")
    from concurrent import futures

    from tqdm.contrib import concurrent

    monkeypatch.setattr(futures, executor_type.__name__, executor_type)
    found = getattr(concurrent, name)(square, range(50), max_workers=2, chunksize=1)
    assert found == [n * n for n in range(50)]
    assert "50/50" in capsys.readouterr().err


@pytest.mark.parametrize("executor_type", [ProcessPoolExecutor, ThreadPoolExecutor])
def test_dask_computes_on_it(executor_type):
    dask = pytest.importorskip("dask")
    with executor_type(2) as executor:
        parts = [dask.delayed(square)(number) for number in range(20)]
        assert dask.compute(dask.delayed(sum)(parts), scheduler=executor) == (sum(n * n for n in range(20)),)
        pids = dask.compute([dask.delayed(os.getpid)() for _ in range(8)], scheduler=executor)[0]
        assert (os.getpid() in pids) == (executor_type is ThreadPoolExecutor)


@pytest.mark.parametrize("executor_type", [ProcessPoolExecutor, ThreadPoolExecutor])
def test_joblib_runs_on_it_as_a_backend(executor_type):
    joblib = pytest.importorskip("joblib")

    class Backend(joblib.parallel.ParallelBackendBase):
        supports_retrieve_callback = True

        def __init__(self, executor, **options):
            super().__init__(**options)
            self._executor = executor

        def effective_n_jobs(self, n_jobs):
            return self._executor._max_workers

        def submit(self, func, callback=None):
            future = self._executor.submit(func)
            future.add_done_callback(callback)
            return future

        def retrieve_result_callback(self, out):
            return out.result()

        def get_nested_backend(self):
            return joblib.parallel.SequentialBackend(nesting_level=self.nesting_level), None

    joblib.register_parallel_backend("poolifier", Backend)
    with executor_type(2) as executor, joblib.parallel_config("poolifier", executor=executor):
        assert joblib.Parallel(n_jobs=2)(joblib.delayed(square)(n) for n in range(30)) == [n * n for n in range(30)]


JOB = """
# As APScheduler 3 does: a job names its function by text, which the worker looks up.
import pickle, sys
from poolifier.futures import ProcessPoolExecutor

def job(number):
    return number + 1

class Point:
    x = 3

def run(reference, number):
    module, _, name = reference.partition(":")
    __import__(module)
    return getattr(sys.modules[module], name)(number)

def load(blob):
    return pickle.loads(blob).x

if __name__ == "__main__":
    with ProcessPoolExecutor(1, CONTEXT) as executor:
        print(executor.submit(run, "__main__:job", 1).result())
        print(executor.submit(load, pickle.dumps(Point())).result())
"""


@pytest.mark.parametrize("context", ["None", "__import__('multiprocessing').get_context('spawn')"])
def test_jobs_that_name_functions_of_the_script_by_text(tmp_path, context):
    script = tmp_path / "script.py"
    script.write_text(JOB.replace("CONTEXT", context))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.split() == ["2", "3"]
