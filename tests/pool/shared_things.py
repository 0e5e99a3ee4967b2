"""What tests of `multiprocessing` in workers run there; imported by the workers under this name."""

import multiprocessing
import multiprocessing.process
import os
import threading
from multiprocessing import shared_memory

kept = None


def keep(*things):
    """An initializer."""
    global kept
    kept = things


def read_block(name):
    block = shared_memory.SharedMemory(name)
    first = bytes(block.buf[:3])
    block.close()
    return first


def create_block(size):
    block = shared_memory.SharedMemory(create=True, size=size)
    block.buf[:3] = b"new"
    block.close()
    return block.name


def remove_block(name):
    block = shared_memory.SharedMemory(name)
    block.close()
    block.unlink()


def sum_list(name):
    numbers = shared_memory.ShareableList(name=name)
    total = sum(numbers)
    numbers.shm.close()
    return total


def sum_shared(numbers):
    return sum(numbers)


def read_in_a_child(name):
    """Two generations below the program, by each start method."""
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        child = context.Process(target=read_block, args=(name,))
        child.start()
        child.join()
        assert child.exitcode == 0, method
    return read_block(name)


def die(_=None):
    os._exit(3)


def put(task):
    queue, number = task
    queue.put(number)


def put_nested(tasks):
    for task in tasks["tasks"]:
        put(task)


def put_kept(number):
    kept[0].put(number)


def append_and_sum(proxy, number):
    proxy.append(number)
    return sum(proxy)


def who(_=None):
    me = multiprocessing.current_process()
    parent = multiprocessing.parent_process()
    return {
        "name": me.name,
        "daemon": me.daemon,
        "ident": me.ident == os.getpid(),
        "alive": me.is_alive(),
        "parent": None if parent is None else (parent.name, parent.pid, parent.is_alive()),
        "children": multiprocessing.active_children(),
        "method": multiprocessing.get_start_method(allow_none=True),
    }


def key(_=None):
    return bytes(multiprocessing.current_process().authkey)


def warn(_=None):
    import logging

    logging.getLogger("named").warning("by a worker")


def add_to_kept(count):
    """Counts up a shared value that has no lock, under a lock."""
    lock, value = kept
    for _ in range(count):
        with lock:
            value.value += 1


def add_to_value(count):
    (value,) = kept
    for _ in range(count):
        with value.get_lock():
            value.value += 1


def use_rlock(_=None):
    (lock,) = kept
    with lock, lock:
        pass
    try:
        lock.release()
    except AssertionError:
        return "not owned"


def try_kept(_=None):
    return kept[0].acquire(timeout=0.01)


def release_kept(_=None):
    kept[0].release()


def hold_kept(_=None):
    return kept[0].acquire()


def announce_and_hold(_=None):
    ready, lock = kept
    ready.release()
    return lock.acquire()


def exchange(number):
    inbox, outbox = kept
    outbox.put(inbox.get() + number)


def exchange_by_pipe(number):
    (connection,) = kept
    connection.send(connection.recv() + number)


def greet(data):
    (through,) = data["through"]
    if hasattr(through, "sendall"):
        through.sendall(b"hello")
    else:
        through.send("hello")
    through.close()


def wait_for_event(_=None):
    ready, event = kept
    ready.release()
    return event.wait(120)


def wait_for_condition(_=None):
    ready, condition = kept
    with condition:
        ready.release()
        return condition.wait(120)


def wait_at_barrier(_=None):
    (barrier,) = kept
    return barrier.wait(120)


def use_lock_in_children(_=None):
    """A lock that was inherited can be given on to processes of the worker's own."""
    _, value = kept
    children = [multiprocessing.get_context("fork").Process(target=add_to_kept, args=(50,)) for _ in range(2)]
    for child in children:
        child.start()
    add_to_kept(50)
    for child in children:
        child.join()
        assert child.exitcode == 0
    return value.value


def use_lock_in_threads(count):
    threads = [threading.Thread(target=add_to_kept, args=(count,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return kept[1].value
