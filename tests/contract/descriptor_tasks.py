"""Task functions that make and use sockets and connections. Imports what a worker would have to do without."""

import sys


def imported(_=None):
    """Whether something has imported what pickles sockets."""
    return "multiprocessing.reduction" in sys.modules


def make_socket(_=None):
    import socket

    ours, theirs = socket.socketpair()
    theirs.sendall(b"hello")
    theirs.close()
    return ours


def make_server(_=None):
    import socket

    return {"server": [socket.create_server(("127.0.0.1", 0))]}


def make_connection(_=None):
    from multiprocessing import Pipe

    ours, theirs = Pipe()
    theirs.send("hello")
    theirs.close()
    return ours


def yield_sockets(count):
    for _ in range(count):
        yield make_socket()


def receive(sock):
    return sock.recv(5)


def receive_object(connection):
    return connection.recv()
