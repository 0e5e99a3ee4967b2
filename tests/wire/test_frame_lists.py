import pytest

from poolifier.wire.frame_lists import checked_frames, frames_in_dump
from poolifier.wire.frames import FrameError

DUMP = """Stack (most recent call first):
  File "/srv/app.py", line 12 in connect
  File "/srv/a "quoted" name.py", line 7 in fetch
  File "<string>", line 1 in <module>
"""


def test_a_dump_of_faulthandler():
    assert frames_in_dump(DUMP) == [
        ("<string>", 1, "<module>"),
        ('/srv/a "quoted" name.py', 7, "fetch"),
        ("/srv/app.py", 12, "connect"),
    ]
    assert frames_in_dump("") == []
    assert frames_in_dump("\ufffd File") == []


def test_what_a_worker_says():
    frames = [("app.py", 3, "work")]
    assert checked_frames((7, frames)) == (7, frames)
    assert checked_frames((7, [])) == (7, [])


@pytest.mark.parametrize(
    "body", [None, 7, (7,), ("7", []), (7, None), (7, ["app.py"]), (7, [("app.py", "3", "work")]), (7, [("app.py", 3)])]
)
def test_garbage_is_refused(body):
    with pytest.raises(FrameError, match="where a task stands"):
        checked_frames(body)
