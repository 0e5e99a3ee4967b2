"""Sends a letter to everyone in a table: `python examples/send_mails.py people.csv letter.txt --from me@example.org`.

The table has a column `email`, and others that the letter names: `Dear $name`. Its first line is the subject. Each
worker process keeps a connection to the server and has several letters under way; a server that closes a connection,
refuses an address or takes too long costs that letter. Nothing is sent twice: a letter that may have gone out is
named, not tried again. Ends with 1 where one did not go out.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import sys
from email.message import EmailMessage
from email.utils import make_msgid
from pathlib import Path
from string import Template
from typing import NamedTuple

import aiosmtplib

from poolifier import FixedProcessPool, PoolifierError

AT_A_TIME = 4
"""Letters that a worker has under way, each on a connection of its own."""


class Letter(NamedTuple):
    """One letter, and the server that takes it."""

    host: str
    port: int
    sender: str
    recipient: str
    subject: str
    text: str


# The work ------------------------------------------------------------------------------------------------------------

idle: list[aiosmtplib.SMTP] = []
"""The worker's connections that nothing is sent on at the moment."""


async def send(letter: Letter) -> str:
    """Sends one letter; returns what the server said. This is the task function: it runs in the workers."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = letter.sender, letter.recipient, letter.subject
    message["Message-ID"] = make_msgid(domain=letter.sender.rpartition("@")[2])
    message.set_content(letter.text)
    connection = await connected(letter.host, letter.port)
    try:
        _, said = await connection.send_message(message)
    except BaseException:  # it was refused, took too long, or the server has gone: who knows what it waits for
        connection.close()
        raise
    idle.append(connection)
    return said


async def connected(host: str, port: int) -> aiosmtplib.SMTP:
    """A connection that is free and works."""
    while idle:
        connection = idle.pop()
        try:
            await connection.noop()
        except aiosmtplib.SMTPException:  # the server has closed it meanwhile
            connection.close()
        else:
            return connection
    connection = aiosmtplib.SMTP(hostname=host, port=port)
    await connection.connect()
    return connection


# The pool ------------------------------------------------------------------------------------------------------------


async def send_all(letters: list[Letter], workers: int, timeout: float) -> dict[str, str]:
    """Sends the letters; returns the addresses that got none, with why."""
    failed: dict[str, str] = {}
    options = {"concurrency": AT_A_TIME}
    async with FixedProcessPool[Letter, str](workers, send, timeout=timeout, tasks_queue_options=options) as pool:

        async def one(letter: Letter) -> None:
            try:
                await pool.execute(letter)
            except (aiosmtplib.SMTPException, OSError, PoolifierError) as error:
                failed[letter.recipient] = f"{type(error).__name__}: {error}"

        await asyncio.gather(*map(one, letters))
    return failed


# The rest ------------------------------------------------------------------------------------------------------------


def letters_from(table: Path, letter: Path, sender: str, host: str, port: int) -> list[Letter]:
    """One letter for each line of the table."""
    subject, _, text = letter.read_text(encoding="utf-8").partition("\n")
    with table.open(encoding="utf-8", newline="") as lines:
        return [
            Letter(
                host, port, sender, person["email"], *(Template(part).substitute(person) for part in (subject, text))
            )
            for person in csv.DictReader(lines)
        ]


def main() -> None:
    """Sends everything, and prints what did not go out."""
    parser = argparse.ArgumentParser(description="Send a letter to everyone in a table.")
    parser.add_argument("table", type=Path, help="a CSV file with a column 'email'")
    parser.add_argument("letter", type=Path, help="a text, which may name columns: $name")
    parser.add_argument("--from", dest="sender", required=True)
    parser.add_argument("--server", default="localhost:25", help="host:port (default: localhost:25)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds for a letter (default: 30)")
    arguments = parser.parse_args()
    host, _, port = arguments.server.rpartition(":")
    letters = letters_from(arguments.table, arguments.letter, arguments.sender, host, int(port))
    failed = asyncio.run(send_all(letters, arguments.workers, arguments.timeout))
    for recipient, why in sorted(failed.items()):
        print(f"{recipient}: {why}")
    print(f"{len(letters) - len(failed)} sent, {len(failed)} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
