"""Letters arrive at a real server, each once, whatever the server does to some of them."""

import asyncio
import socket
import subprocess
import sys
from collections import Counter
from contextlib import closing
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

pytestmark = pytest.mark.once

SCRIPT = Path(__file__).parents[2] / "examples" / "send_mails.py"


class Mailbox:
    """Takes letters; refuses some, hangs up on some, and has no answer to some."""

    def __init__(self):
        self.letters = []
        self.peers = Counter()

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address.startswith("unknown"):
            return "550 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.letters.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
        self.peers[session.peer] += 1
        if envelope.rcpt_tos[0].startswith("hang-up"):
            server.transport.abort()
        elif envelope.rcpt_tos[0].startswith("silent"):
            await asyncio.sleep(600)
        elif envelope.rcpt_tos[0].startswith("last"):
            # Right after a good answer: whoever keeps the connection finds it closed.
            asyncio.get_running_loop().call_soon(server.transport.close)
            return "250 the last one on this connection"
        await asyncio.sleep(0.01)
        return "250 OK"


class Server(Controller):
    def factory(self):
        return SMTP(self.handler, hostname="localhost")


@pytest.fixture
def mailbox():
    mailbox = Mailbox()
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        mailbox.port = taken.getsockname()[1]
    mailbox.controller = Server(mailbox, hostname="127.0.0.1", port=mailbox.port)
    mailbox.controller.start()
    yield mailbox
    mailbox.controller.stop()


def send(mailbox, tmp_path, people, letter="Hello $name\nDear $name,\nköszönöm.\n", timeout=2):
    (tmp_path / "people.csv").write_text("email,name\n" + "".join(f"{email},{name}\n" for email, name in people))
    (tmp_path / "letter.txt").write_text(letter, encoding="utf-8")
    command = [sys.executable, "-W", "error", SCRIPT, "people.csv", "letter.txt", "--from", "me@example.org"]
    command += ["--server", f"127.0.0.1:{mailbox.port}", "--workers", "2", "--timeout", str(timeout)]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)


def test_everyone_gets_one_letter(mailbox, tmp_path):
    people = [(f"p{number}@example.org", f"Person {number}") for number in range(200)]

    done = send(mailbox, tmp_path, people, timeout=30)

    assert (done.returncode, done.stderr, done.stdout) == (0, "", "200 sent, 0 failed\n")
    assert sorted(recipients for recipients, _ in mailbox.letters) == sorted([email] for email, _ in people)
    by_address = {recipients[0]: letter for recipients, letter in mailbox.letters}
    letter = by_address["p7@example.org"]
    assert (letter["From"], letter["To"], letter["Subject"]) == ("me@example.org", "p7@example.org", "Hello Person 7")
    assert letter.get_content().splitlines() == ["Dear Person 7,", "köszönöm."]
    assert 2 <= len(mailbox.peers) <= 8, "a few connections, each for many letters"


def test_what_fails_is_told_and_not_sent_again(mailbox, tmp_path):
    troubled = ["unknown@example.org", "hang-up@example.org", "silent@example.org"]
    people = [(email, "You") for email in [*(f"p{number}@example.org" for number in range(40)), *troubled]]
    people += [(f"last{number}@example.org", "You") for number in range(4)]
    people += [(f"q{number}@example.org", "You") for number in range(40)]

    done = send(mailbox, tmp_path, people)

    assert done.stderr == ""
    assert done.returncode == 1
    *failed, total = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in failed] == sorted(troubled)
    assert "SMTPServerDisconnected" in failed[0]
    assert "TaskTimeoutError" in failed[1]
    assert "550" in failed[2]
    assert total == f"{len(people) - 3} sent, 3 failed"
    assert set(Counter(recipients[0] for recipients, _ in mailbox.letters).values()) == {1}
