"""Over real WebSockets: the latest text is answered, the searches before it are aborted, and pings are answered."""

import asyncio
import json
from itertools import product

import pytest
from websockets.asyncio.client import connect

pytestmark = pytest.mark.once

# The search of one text takes a good second on them.
WORDS = ["".join(letters) for letters in product("abcdefghij", repeat=5)]


def test_only_the_latest_text_is_searched_to_the_end(serving, tmp_path):
    (tmp_path / "words").write_text(" ".join([*WORDS, "poolifier"]))

    async def type_in(port):
        async with (
            asyncio.timeout(120),
            connect(f"ws://127.0.0.1:{port}") as browser,
            connect(f"ws://127.0.0.1:{port}") as other,
        ):
            for number, text in enumerate(("p", "po", "poo", "pool", "poolif", "poolifer"), 1):
                await browser.send(text)
                await numbers(port, lambda found, number=number: found["searches"] == number)
            answering = asyncio.create_task(browser.recv())
            await (await other.ping())
            assert not answering.done(), "the loop is free while workers search"
            answer = json.loads(await answering)
            assert answer["text"] == "poolifer"
            assert answer["found"][0] == "poolifier"
            assert len(answer["found"]) == 5
            assert await numbers(port, bool) == {"searches": 6, "done": 1, "aborted": 5}
            await browser.send("left alone")
            await numbers(port, lambda found: found["searches"] == 7)

    async def numbers(port, wanted):
        async with asyncio.timeout(120), connect(f"ws://127.0.0.1:{port}/numbers") as connection:
            found = json.loads(await connection.recv())
        return found if wanted(found) else await numbers(port, wanted)

    with serving("search_as_you_type.py", "--words", tmp_path / "words", "--workers", 2) as port:
        asyncio.run(type_in(port))
        # The browser has left in the middle of a search.
        assert asyncio.run(numbers(port, lambda found: found["aborted"] == 6))["done"] == 1
