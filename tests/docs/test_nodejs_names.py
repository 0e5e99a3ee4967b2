"""The page for users of Node's poolifier knows every name that the npm package exports, and every name here is real."""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import poolifier
from poolifier.options import PoolOptions, ProcessOptions

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "nodejs.md").read_text()

# What lib/index.d.ts of version 5.3.2 exports, values and types, and the members of what its users write or read.
NAMES = {
    "exported": """
        AbstractPool AbstractWorker CircularBuffer ClusterPoolOptions ClusterWorker DynamicClusterPool
        DynamicThreadPool ErrorHandler EventHandler EventLoopUtilizationMeasurementStatistics ExitHandler
        FixedClusterPool FixedQueueNode FixedThreadPool IFixedQueue IPool IWorker IWorkerChoiceStrategy IWorkerNode
        KillBehavior KillBehaviors KillHandler Measurement MeasurementOptions MeasurementStatistics
        MeasurementStatisticsRequirements Measurements MessageHandler MessageValue OnlineHandler PoolEvent PoolEvents
        PoolInfo PoolOptions PoolType PoolTypes PriorityQueue PromiseResponseWrapper StrategyData StrategyPolicy Task
        TaskAsyncFunction TaskFunction TaskFunctionObject TaskFunctionOperationResult TaskFunctionProperties
        TaskFunctions TaskPerformance TaskStatistics TaskStatisticsRequirements TaskSyncFunction TasksQueueOptions
        ThreadPoolOptions ThreadWorker WorkerChoiceStrategies WorkerChoiceStrategiesContext WorkerChoiceStrategy
        WorkerChoiceStrategyOptions WorkerError WorkerInfo WorkerNodeEventDetail WorkerNodeOptions WorkerOptions
        WorkerStatistics WorkerType WorkerTypes WorkerUsage Writable availableParallelism""",
    "IPool": """addTaskFunction destroy emitter enableTasksQueue execute hasTaskFunction info mapExecute start
        listTaskFunctionsProperties removeTaskFunction setDefaultTaskFunction setTasksQueueOptions workerNodes
        setWorkerChoiceStrategy setWorkerChoiceStrategyOptions""",
    "PoolOptions": """enableEvents enableTasksQueue env errorHandler exitHandler messageHandler onlineHandler settings
        restartWorkerOnError startWorkers tasksQueueOptions workerChoiceStrategy workerChoiceStrategyOptions
        workerOptions""",
    "TasksQueueOptions": """agingFactor concurrency loadExponent size tasksFinishedTimeout tasksStealingOnBackPressure
        tasksStealingRatio taskStealing""",
    "WorkerOptions": "killBehavior killHandler maxInactiveTime",
    "WorkerChoiceStrategyOptions": "elu measurement runTime waitTime weights",
    "TaskFunctionObject": "priority strategy taskFunction workerNodeKeys",
    "PoolEvents": """backPressure backPressureEnd busy busyEnd destroy empty error full fullEnd ready taskError""",
    "PoolInfo": """backPressure backPressureWorkerNodes busyWorkerNodes defaultStrategy dynamicWorkerNodes elu
        executedTasks executingTasks failedTasks idleWorkerNodes maxQueuedTasks maxSize minSize queuedTasks ready
        runTime started stealingWorkerNodes stolenTasks strategyRetries type utilization version waitTime worker
        workerNodes""",
}
ROWS = [
    (re.findall(r"`(\w+)[^`]*`", left), re.findall(r"`(\w+)`", right))
    for left, right in re.findall(r"^\| (`.*?) \| ?(.*?) \| .*\|$", PAGE, re.MULTILINE)
]


@pytest.mark.parametrize("names", NAMES.values(), ids=list(NAMES))
def test_every_name_of_nodejs_is_there(names):
    told = {name for left, _ in ROWS for name in left} | set(re.findall(r"`(\w+)`", PAGE.partition("## Not here")[2]))

    assert not set(names.split()) - told


def test_every_name_here_is_real():
    real = set(poolifier.__all__) | set(poolifier.PoolEvent.__members__)
    for cls in (poolifier.Pool, poolifier.Worker, poolifier.WorkerNode):
        real |= {name for name in dir(cls) if not name.startswith("_")}
    for cls in (poolifier.TasksQueueOptions, poolifier.WorkerChoiceStrategyOptions, poolifier.PoolInfo, ProcessOptions):
        real |= {field.name for field in dataclasses.fields(cls)}
    for function in (PoolOptions.checked, poolifier.Worker, poolifier.TaskFunction, poolifier.FixedProcessPool):
        real |= set(inspect.signature(function).parameters)

    assert len(ROWS) > 60
    for _, right in ROWS:
        assert not set(right) - real
