"""Type parameters are for type checkers: at run time they change nothing."""

import pickle

import pytest

from poolifier import FixedProcessPool, TaskFunction, Worker


@pytest.mark.parametrize("declare", [TaskFunction[str, int], TaskFunction], ids=["with parameters", "without"])
def test_task_functions(declare):
    declared = declare(len, priority=3)

    assert declared == TaskFunction(len, priority=3)
    assert pickle.loads(pickle.dumps(declared)) == declared


def test_workers(run):
    worker = Worker[str, int](TaskFunction[str, int](len))
    assert isinstance(worker, Worker)
    assert list(worker.task_functions) == ["len"]

    async def main():
        async with FixedProcessPool[str, int](1, worker) as pool:
            return await pool.execute("four")

    assert run(main()) == 4


def test_subclasses():
    class Own(Worker[str, int]):
        pass

    assert Own(len).default_task_function == "len"
