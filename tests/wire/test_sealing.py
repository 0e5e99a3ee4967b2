"""Shared memory without a name, sealed where the kernel does that, and had otherwise where it refuses."""

import errno
import os
import tempfile

import pytest

from poolifier.wire.sealing import sealed_file, shared_file

pytestmark = [
    pytest.mark.usefixtures("no_leaks"),
    pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="only Linux has memfd_create"),
]


@pytest.fixture
def refused(monkeypatch):
    def refuse(number):
        def memfd_create(*_):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "memfd_create", memfd_create)

    return refuse


def test_what_is_sealed_keeps_its_size():
    fd = sealed_file("test", 5000)
    assert os.fstat(fd).st_size == 5000
    with pytest.raises(PermissionError):
        os.ftruncate(fd, 0)
    os.close(fd)


def test_where_it_is_refused_all_room_is_taken_at_once_and_no_name_stays(refused, tmp_path, monkeypatch):
    refused(errno.EPERM)
    monkeypatch.setattr("poolifier.wire.sealing._DIRECTORIES", (str(tmp_path),))
    fd = shared_file("test", 100_000)
    status = os.fstat(fd)
    assert (status.st_size, status.st_nlink) == (100_000, 0)
    assert status.st_blocks * 512 >= 100_000
    assert list(tmp_path.iterdir()) == []
    os.close(fd)


def test_the_call_is_named(refused, monkeypatch):
    refused(errno.ENOSYS)
    with pytest.raises(OSError, match="memfd_create: Function not implemented"):
        sealed_file("test", 10)
    monkeypatch.setattr("poolifier.wire.sealing._DIRECTORIES", ())
    monkeypatch.setattr(tempfile, "tempdir", "/none")
    with pytest.raises(OSError, match=r"memfd_create: Function not implemented; a temporary file: No such file"):
        shared_file("test", 10)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_lack_of_room_is_that(refused, number):
    refused(number)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        shared_file("test", 10)
    assert caught.value.errno == number
