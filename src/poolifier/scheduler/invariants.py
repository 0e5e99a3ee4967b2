"""Every rule that the scheduler's state obeys between two calls, as code.

`check` costs O(tasks + workers). The tests call it after every step; nothing else does.
"""

from __future__ import annotations

from poolifier.scheduler.node import GONE, PLANNED, READY, RETIRING, STARTING, Node
from poolifier.scheduler.queues import TaskQueue
from poolifier.scheduler.scheduler import Scheduler
from poolifier.scheduler.task import ABORTING, ENDED, QUEUED, SENT


def check(scheduler: Scheduler) -> None:
    """Raises `AssertionError`, with what is wrong, where a rule is broken."""
    nodes = scheduler.sizing.nodes
    seen: set[int] = set()
    for node in nodes.values():
        _check_node(scheduler, node)
        for task in [*node.queue, *node.sent.values()]:
            assert task.id not in seen, f"{task} is in two places"
            seen.add(task.id)
    for task in scheduler.lobby:
        assert task.id not in seen, f"{task} is in two places"
        assert task.state == QUEUED, f"{task} in the lobby is not queued"
        assert task.node is None, f"{task} in the lobby has a node"
        seen.add(task.id)
    _check_queue(scheduler.lobby)
    _check_slots(scheduler)
    _check_spares(scheduler)
    _check_counts(scheduler, len(seen))
    _check_hunger(scheduler)
    _check_index(scheduler)


def _check_node(scheduler: Scheduler, node: Node) -> None:
    assert node.state != GONE, f"{node} is gone and still holds a slot"
    assert node.ready == (node.state == READY), f"{node}: ready={node.ready}"
    assert node.load == len(node.sent) + node.queue.length, f"{node}: {node.queue.length} queued, load {node.load}"
    _check_queue(node.queue)
    for task in node.queue:
        assert task.state == QUEUED, f"{task} waits in a queue"
        assert task.node is node, f"{task} waits in the queue of {node}"
        assert node.allowed(task.function.affinity), f"{task} waits where it may not run"
    for sequence, task in node.sent.items():
        assert task.state in (SENT, ABORTING), f"{task} was sent"
        assert task.node is node, f"{task} was sent to {node}"
        assert task.sequence == sequence, f"{task} has sequence {task.sequence}, not {sequence}"
        assert node.allowed(task.function.affinity), f"{task} was sent where it may not run"
    assert list(node.sent) == sorted(node.sent), f"{node} was sent tasks out of order"
    if node.state in (PLANNED, STARTING):
        assert not node.sent, f"{node} was sent tasks before it was ready"
    if node.state == RETIRING:
        assert not node.queue.length, f"{node} retires with tasks in its queue"
    if node.state == READY:
        assert node.queue.length == 0 or len(node.sent) >= min(node.capacity, node.quota), f"{node} idles on its queue"
    assert len(node.sent) <= node.most, f"{node} was sent more than {node.most}"
    surplus = sum(task.extra.items - 1 for task in node.sent.values() if task.extra is not None)
    assert node.surplus == surplus, f"{node}: surplus={node.surplus}, not {surplus}"
    chunks = any(task.extra is not None and task.extra.items + task.extra.ended > 1 for task in node.sent.values())
    if node.state == READY and node.sent and not chunks:
        assert node.ran + len(node.sent) <= node.task_limit, f"{node} runs {node.ran} of {node.task_limit}"
    assert not node.outbox or node.in_outbox, f"{node} has an outbox that nobody will send"
    size = scheduler.placement.options.size or 1
    assert node.pressed == (node.state != RETIRING and node.queue.length >= size), f"{node}: pressed={node.pressed}"
    assert abs(node.ahead - sum(task.estimate for task in node.sent.values())) < 1e-6, f"{node}: ahead={node.ahead}"


def _check_queue(queue: TaskQueue) -> None:
    total = 0
    for shelf in queue.shelves:
        alive = 0
        for lane in shelf.lanes:
            assert lane.tasks, f"an empty lane of priority {lane.priority} competes"
            assert lane.tasks[0].state != ENDED, f"{lane.tasks[0]} has ended and heads its lane"
            dead = sum(task.state == ENDED for task in lane.tasks)
            assert dead == lane.dead, f"lane of priority {lane.priority}: {dead} dead, counted {lane.dead}"
            living = [task.id for task in lane.tasks if task.state != ENDED]
            assert lane.unsorted or living == sorted(living), f"lane of priority {lane.priority} is out of order"
            alive += len(living)
        assert alive == shelf.length, f"{shelf.affinity}: {alive} wait, counted {shelf.length}"
        total += alive
    assert total == queue.length, f"{total} wait, counted {queue.length}"


def _check_slots(scheduler: Scheduler) -> None:
    sizing = scheduler.sizing
    holders = [node for node in sizing.nodes.values() if sizing.by_slot.get(node.slot) is node]
    assert len(holders) == len(sizing.by_slot) <= sizing.maximum, f"{sizing.by_slot}, at most {sizing.maximum} allowed"
    for node in sizing.nodes.values():
        assert node in holders or (node.state == RETIRING and node.successor), f"{node} has no slot, and no successor"
    assert all(0 <= slot < sizing.maximum for slot in sizing.by_slot)
    ready = sum(node.state == READY for node in sizing.nodes.values())
    assert ready == scheduler.ready_count, f"{ready} ready, counted {scheduler.ready_count}"
    pressed = sum(node.pressed for node in sizing.nodes.values())
    assert pressed == scheduler.placement.pressed, f"{pressed} full queues, counted {scheduler.placement.pressed}"


def _check_spares(scheduler: Scheduler) -> None:
    for node_id, spare in scheduler.sizing.spares.items():
        node = spare.predecessor
        assert node is not None, f"{spare} is nobody's successor"
        assert spare.id == node_id, f"{spare} is kept as {node_id}"
        assert node.successor is spare, f"{spare} is to follow {node}, which is followed by {node.successor}"
        assert scheduler.sizing.by_slot.get(spare.slot) is node, f"{spare} waits for a slot that {node} has not got"
        assert spare.state in (PLANNED, STARTING), f"{spare} waits for its slot"
        assert not spare.load, f"{spare} was given tasks before it had a slot"
        assert not spare.eligible, f"{spare} can be chosen before it has a slot"
    standing_by = scheduler.recycling.standing_by
    assert standing_by <= len(scheduler.sizing.spares), f"{standing_by} stand by, of {scheduler.sizing.spares}"


def _check_counts(scheduler: Scheduler, alive: int) -> None:
    ended = 0
    for usage in [scheduler.books.retired, *(node.usage for node in scheduler.sizing.nodes.values())]:
        executed, failed, aborted, _ = usage.counts()
        ended += executed + failed + aborted
    surplus = scheduler.books.surplus
    assert scheduler.books.submitted == ended + alive + surplus, (
        f"{scheduler.books.submitted} submitted, {ended} ended, {alive} alive, {surplus} more in chunks"
    )
    assert alive == scheduler.unfinished, f"{alive} alive, counted {scheduler.unfinished}"


def _check_hunger(scheduler: Scheduler) -> None:
    stealing = scheduler.placement.stealing
    nodes = scheduler.sizing.nodes.values()
    hungry = {node.id for node in nodes if node.state == READY and node.load < node.quota}
    assert {node.id for node in stealing.hungry} == hungry, f"hungry: {hungry}, noted: {stealing.hungry}"
    thieves = sum(node.stealing for node in nodes)
    assert thieves == stealing.thieves, f"{thieves} steal, counted {stealing.thieves}"
    waiting = {task.function.affinity: task for node in nodes if node.ready for task in node.queue}
    for node in stealing.hungry:
        if not stealing.may_steal(node):
            continue
        for affinity, task in waiting.items():
            assert not node.allowed(affinity), f"{node} is hungry while {task} waits"


def _check_index(scheduler: Scheduler) -> None:
    for node in scheduler.sizing.nodes.values():
        for shelf in node.queue.shelves:
            bucket = shelf.length.bit_length() - 1 if node.ready else -1
            assert shelf.bucket == bucket, f"{node}: a shelf of {shelf.length} is in bucket {shelf.bucket}"
