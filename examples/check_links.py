"""Finds the broken links of a web site: `python examples/check_links.py URL [--workers N] [--timeout SECONDS]`.

Follows every link of every page under URL, and looks whether the links that lead elsewhere are answered. Each worker
process has an HTTP client and an event loop, and waits for many pages at a time; it also parses them, so that the
parsing uses all CPUs. Ends with 1 where something is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import urldefrag, urljoin

import httpx

from poolifier import DynamicProcessPool, PoolifierError

AT_A_TIME = 20
"""Pages that a worker waits for at a time."""


class Page(NamedTuple):
    """What became of a link: an HTTP status or an error, and where the page leads."""

    status: int | None
    problem: str
    links: list[str]


# The work ------------------------------------------------------------------------------------------------------------

clients: list[httpx.AsyncClient] = []


def client() -> httpx.AsyncClient:
    """The worker's own client. All its tasks share the connections, so it is made in the loop that they run in."""
    if not clients:
        clients.append(httpx.AsyncClient(follow_redirects=True, headers={"User-Agent": "check_links"}))
    return clients[0]


async def fetch(url: str) -> Page:
    """Fetches one page and finds its links. This is the task function: it runs in the workers."""
    try:
        async with client().stream("GET", url, timeout=None) as response:  # the task has a time limit
            if response.is_error:
                return Page(response.status_code, response.reason_phrase, [])
            if "html" not in response.headers.get("content-type", ""):
                return Page(response.status_code, "", [])
            await response.aread()
            return Page(response.status_code, "", links_of(response.text, str(response.url)))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Page(None, f"{type(error).__name__}: {error}".rstrip(": "), [])


def links_of(html: str, base: str) -> list[str]:
    """Where a page leads, without its own anchors."""
    found: dict[str, None] = {}  # in order, and once

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            for name, value in attrs:
                if value and (tag, name) in {("a", "href"), ("img", "src"), ("link", "href"), ("script", "src")}:
                    try:
                        link = urldefrag(urljoin(base, value)).url
                    except ValueError:  # it is no address, which is told when it is fetched
                        link = value
                    if link.startswith(("http://", "https://")):
                        found[link] = None

    parser = Links()
    parser.feed(html)
    parser.close()
    return list(found)


# The pool ------------------------------------------------------------------------------------------------------------


async def check(start: str, workers: int, timeout: float) -> tuple[dict[str, Page], dict[str, str]]:
    """Fetches what can be reached from `start`; returns the pages, and on which page each link was found first."""
    pages: dict[str, Page] = {}
    found_on: dict[str, str] = {start: ""}
    options = {"concurrency": AT_A_TIME}
    async with DynamicProcessPool[str, Page](1, workers, fetch, timeout=timeout, tasks_queue_options=options) as pool:
        under_way = {asyncio.ensure_future(one(pool, start))}
        while under_way:
            done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for url, page in (task.result() for task in done):
                pages[url] = page
                # Pages elsewhere are looked at, not followed.
                for link in page.links if url.startswith(start) else ():
                    if link not in found_on:
                        found_on[link] = url
                        under_way.add(asyncio.ensure_future(one(pool, link)))
    return pages, found_on


async def one(pool: DynamicProcessPool[str, Page], url: str) -> tuple[str, Page]:
    """Fetches one page on the pool. Fetching twice does no harm, so it is tried again after a crash."""
    try:
        return url, await pool.execute(url, retries=1)
    except PoolifierError as error:  # it took too long, or its page ended the worker that parsed it
        return url, Page(None, f"{type(error).__name__}: {error}", [])


def main() -> None:
    """Checks a site, and prints what is broken."""
    parser = argparse.ArgumentParser(description="Find the broken links of a web site.")
    parser.add_argument("url")
    parser.add_argument("--workers", type=int, default=max(2, os.cpu_count() or 1))
    parser.add_argument("--timeout", type=float, default=15.0, help="seconds for a page (default: 15)")
    arguments = parser.parse_args()
    pages, found_on = asyncio.run(check(arguments.url, arguments.workers, arguments.timeout))
    broken = {url: page for url, page in sorted(pages.items()) if page.problem}
    for url, page in broken.items():
        print(f"{url}: {page.status or ''} {page.problem}".replace(":  ", ": "))
        print(f"    on {found_on[url] or 'the command line'}")
    print(f"{len(pages)} links, {len(broken)} broken")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
