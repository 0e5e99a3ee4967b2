"""Where a task stands, as a worker tells it, and as `faulthandler` writes it."""

from __future__ import annotations

import re
from typing import Any, Final, TypeAlias

from poolifier.wire.frames import FrameError

__all__ = ["Frames", "checked_frames", "frames_in_dump"]

Frames: TypeAlias = list[tuple[str, int, str]]
"""(file, line, function) for each call, the outermost first."""

_LINE: Final = re.compile(r'^  File "(.*)", line (\d+) in (.*)$', re.MULTILINE)


def checked_frames(body: Any) -> tuple[int, Frames]:
    """What a worker says of a task: its sequence, and where it stands.

    Raises:
        FrameError: It is something else.
    """
    if isinstance(body, tuple) and len(body) == 2 and isinstance(body[0], int) and isinstance(body[1], list):
        sequence, frames = body
        if all(
            type(frame) is tuple and len(frame) == 3 and tuple(map(type, frame)) == (str, int, str) for frame in frames
        ):
            return sequence, frames
    raise FrameError("expected where a task stands, got something else")


def frames_in_dump(text: str) -> Frames:
    """The calls in what `faulthandler` writes, which has the innermost first."""
    return [(file, int(line), function) for file, line, function in reversed(_LINE.findall(text))]
