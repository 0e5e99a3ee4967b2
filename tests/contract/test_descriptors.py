"""Sockets and connections go to tasks and come from them, whatever was imported before, as `spawn` has it."""

import concurrent.futures
import contextlib
import multiprocessing
import socket

import pytest

from tests.contract import descriptor_tasks as tasks

FUNCTIONS = {
    name: value for name, value in vars(tasks).items() if callable(value) and value.__module__ == tasks.__name__
}


def given_socket():
    ours, theirs = socket.socketpair()
    theirs.sendall(b"hello")
    theirs.close()
    return ours


def given_connection():
    ours, theirs = multiprocessing.Pipe()
    theirs.send("hello")
    theirs.close()
    return ours


def greeting(made):
    """What has been sent to it, or can be."""
    if isinstance(made, dict):
        with made["server"][0] as server, socket.create_connection(server.getsockname()) as client:
            accepted, _ = server.accept()
            with accepted:
                client.sendall(b"hello")
                return accepted.recv(5)
    with made:
        return made.recv(5) if isinstance(made, socket.socket) else made.recv()


MADE = ["make_socket", "make_server", "make_connection"]
GIVEN = [(given_socket, "receive"), (given_connection, "receive_object")]


@pytest.mark.parametrize("name", MADE)
def test_one_that_a_task_makes_comes_back(run, kind, name):
    async def main():
        async with kind.fixed(1, FUNCTIONS) as pool:
            if kind.name in ("process", "interpreter"):
                # It is the first that this worker has to do with any.
                assert not await pool.execute(name="imported")
            for _ in range(2):
                assert greeting(await pool.execute(name=name)) in (b"hello", "hello")

    run(main())


@pytest.mark.parametrize(("make", "name"), GIVEN)
def test_one_that_a_task_is_given_can_be_used(run, kind, make, name):
    async def main():
        async with kind.fixed(1, FUNCTIONS) as pool:
            with make() as given:
                assert await pool.execute(given, name) in (b"hello", "hello")

    run(main())


def test_maps_and_streams_bring_them(run, kind):
    async def main():
        async with kind.fixed(1, FUNCTIONS) as pool:
            assert [greeting(made) for made in await pool.map_execute([None] * 3, "make_socket")] == [b"hello"] * 3
            async with contextlib.aclosing(pool.stream(3, "yield_sockets")) as stream:
                assert [greeting(made) async for made in stream] == [b"hello"] * 3

    run(main())


def test_the_executor_of_the_standard_library_does_so_too():
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
        for name in MADE:
            assert greeting(executor.submit(FUNCTIONS[name]).result()) in (b"hello", "hello")
        for make, name in GIVEN:
            with make() as given:
                assert executor.submit(FUNCTIONS[name], given).result() in (b"hello", "hello")
