"""The link checker finds what is broken on a real site, and only that."""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

SCRIPT = Path(__file__).parents[2] / "examples" / "check_links.py"
LEAVES = 60
CROWD = 20


class Site(BaseHTTPRequestHandler):
    """A site of some pages, of which a few are broken in one way each. Leaves wait until many clients are there."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with self.server.lock:
            self.server.paths.append(self.path)
            self.server.now += 1
            if self.server.now > CROWD:
                self.server.crowd.set()
        try:
            self.answer(self.path)
        finally:
            with self.server.lock:
                self.server.now -= 1

    def answer(self, path):
        leaves = "".join(f'<a href="/docs/leaf/{number}#top">leaf</a>' for number in range(LEAVES))
        match path.split("/")[2:]:
            case [""]:
                self.page(f"<a href='about'>about</a><a href='mailto:a@b.c'>mail</a><img src=logo.png>{leaves}")
            case ["about"]:
                self.page('<a href="./">home</a><a href="old">old</a><a href="gone">gone</a><a href="/elsewhere">e</a>')
            case ["old"]:
                self.send_response(302)
                self.send_header("Location", "/docs/new")
                self.send_header("Content-Length", "0")
                self.end_headers()
            case ["new"]:
                self.page('<a href="missing">missing</a> <a href="slow">slow</a> <a href="http://[bad">bad</a>')
            case ["leaf", _]:
                self.server.crowd.wait(60)
                self.page("<p>a leaf</p>")
            case ["logo.png"]:
                self.page("<a href='not-a-page'>", kind="image/png")
            case ["slow"]:
                self.server.end.wait(120)
                self.page("at last")
            case [] if path == "/elsewhere":
                self.page('<a href="/elsewhere/broken">not looked at</a>')
            case _:
                self.send_error(404)

    def page(self, html, kind="text/html"):
        body = html.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def site():
    class Server(ThreadingHTTPServer):
        request_queue_size = 200  # all leaves at once

        def handle_error(self, request, client_address):
            assert isinstance(sys.exception(), ConnectionError)  # whoever waited for the slow page has left

    server = Server(("127.0.0.1", 0), Site)
    server.lock, server.paths, server.now = threading.Lock(), [], 0
    server.crowd, server.end = threading.Event(), threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.end.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_finds_what_is_broken(site):
    root = f"http://127.0.0.1:{site.server_address[1]}/docs/"
    command = [sys.executable, "-W", "error", SCRIPT, root, "--workers", "2", "--timeout", "6"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    assert done.stderr == ""
    assert done.returncode == 1
    *broken, total = done.stdout.splitlines()
    assert broken[0] == f"{root}gone: 404 Not Found"
    assert broken[1] == f"    on {root}about"
    assert broken[2] == f"{root}missing: 404 Not Found"
    assert broken[3] == f"    on {root}old"
    assert broken[4].startswith(f"{root}slow: TaskTimeoutError: ")
    assert broken[6].startswith("http://[bad: ")
    assert len(broken) == 8
    assert total == f"{LEAVES + 9} links, 4 broken"
    assert "/elsewhere/broken" not in site.paths
    assert "/docs/not-a-page" not in site.paths
    assert len(site.paths) == len(set(site.paths))
    assert site.crowd.is_set(), "each worker waits for many pages at a time"


def test_a_server_that_is_not_there(site):
    site.shutdown()
    site.server_close()
    root = f"http://127.0.0.1:{site.server_address[1]}/"
    done = subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 1
    assert done.stdout.splitlines()[0].startswith(f"{root}: ConnectError: ")
    assert done.stdout.endswith("1 links, 1 broken\n")
