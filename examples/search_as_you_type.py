"""Search as you type, over a WebSocket: `python examples/search_as_you_type.py [--port PORT] [--words FILE]`.

A browser sends what is in its search field whenever a key is pressed, and gets the words that are most like it. A
search compares it with every word there is, which keeps a CPU busy for a while, so it runs on a pool of processes.
Whoever types on has no use for the search before: it is aborted where it stands, and its worker is free for the next
one. The words are in the workers, each of which reads them once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import heapq
import json
import os
from difflib import SequenceMatcher
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve

from poolifier import FixedProcessPool, PoolifierError

MOST_FOUND = 5

# The work ------------------------------------------------------------------------------------------------------------

words: list[str] = []


def read(path: str) -> None:
    """Reads the words, once in each worker: its initializer."""
    words.extend(Path(path).read_text(encoding="utf-8").split())


def search(text: str) -> list[str]:
    """The words most like that text. This is the task function: it runs in the workers."""
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(text)  # it remembers much about this one

    def likeness(word: str) -> float:
        matcher.set_seq1(word)
        return matcher.ratio()

    return heapq.nlargest(MOST_FOUND, words, key=likeness)


# The service ---------------------------------------------------------------------------------------------------------


async def typing(connection: ServerConnection, pool: FixedProcessPool[str, list[str]]) -> None:
    """Answers one browser, for as long as it is connected: the latest text only."""
    latest: asyncio.Task[None] | None = None
    try:
        async for message in connection:
            if latest is not None:
                latest.cancel()  # which aborts its search
            latest = asyncio.create_task(answer(connection, pool, str(message)))
    finally:
        if latest is not None:
            latest.cancel()


async def answer(connection: ServerConnection, pool: FixedProcessPool[str, list[str]], text: str) -> None:
    """Sends what was found for one text, or why nothing was."""
    try:
        found = await pool.execute(text, timeout=10.0, retries=1)
        reply = {"text": text, "found": found}
    except PoolifierError as error:
        reply = {"text": text, "error": str(error)}
    with contextlib.suppress(ConnectionError):
        await connection.send(json.dumps(reply))


async def run(port: int, path: Path, workers: int) -> None:
    """Serves until it is cancelled."""
    async with FixedProcessPool[str, list[str]](workers, search, initializer=read, initargs=(str(path),)) as pool:

        async def handler(connection: ServerConnection) -> None:
            if connection.request is not None and connection.request.path == "/numbers":
                info = pool.info
                numbers = {
                    "searches": info.submitted_tasks,
                    "done": info.executed_tasks,
                    "aborted": info.aborted_tasks,
                }
                await connection.send(json.dumps(numbers))
            else:
                await typing(connection, pool)

        async with serve(handler, "127.0.0.1", port) as server:
            await server.serve_forever()


def main() -> None:
    """Serves until Ctrl+C."""
    parser = argparse.ArgumentParser(description="Search as you type, over a WebSocket.")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--words", type=Path, default=Path("/usr/share/dict/words"), help="a file of words")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(arguments.port, arguments.words, arguments.workers))


if __name__ == "__main__":
    main()
