"""Lets pages link to files of the repository outside of `docs`, on the site as on a forge.

A page links to a file by its path in the repository, so that the link works wherever the repository is looked at. The
site is made of `docs` alone. So each file that a page links to becomes a page of the site, and the links lead there.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
NAMED = {"README.md": "overview.md", "CHANGELOG.md": "changelog.md"}
"""Those that have a place in the navigation."""

LANGUAGES = {".py": "python", ".mjs": "javascript", ".ipynb": "json"}

CODE_OR_LINK = re.compile(
    r"^(?P<fence>```+)\w*\n.*?^(?P=fence)$|`[^`\n]*`|\]\((?!https?://|#)(?P<path>[^)#]+)(?P<anchor>#[^)]*)?\)",
    re.MULTILINE | re.DOTALL,
)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds a page for every file outside of `docs` that a page links to, or that such a page links to."""
    for path in NAMED:
        files.append(_page_of(path, config))
    waiting = [file for file in files if file.is_documentation_page()]
    while waiting:
        file = waiting.pop()
        for target in _targets(file):
            uri = _uri_of(target)
            # What is not there is left to MkDocs, which names the page and the link.
            if uri not in files.src_uris and not target.startswith("docs/") and (ROOT / target).is_file():
                files.append(_page_of(target, config))
                waiting.append(files.src_uris[uri])
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Points the page's links at where the files are on the site."""
    here = posixpath.dirname(page.file.src_uri)

    def link(found: re.Match[str]) -> str:
        if not found["path"]:  # code
            return found[0]
        uri = _uri_of(_resolved(page.file, found["path"]))
        return f"]({posixpath.relpath(uri, here or '.')}{found['anchor'] or ''})"

    return CODE_OR_LINK.sub(link, markdown)


def _targets(file: File) -> list[str]:
    return [_resolved(file, found["path"]) for found in CODE_OR_LINK.finditer(file.content_string) if found["path"]]


def _resolved(file: File, link: str) -> str:
    """The path in the repository that a link means."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(_path_of(file)), link))


def _path_of(file: File) -> str:
    outside = {_uri_of(path): path for path in NAMED}
    if file.src_uri.startswith("source/"):
        return file.src_uri.removeprefix("source/").removesuffix(".md")
    return outside.get(file.src_uri, f"docs/{file.src_uri}")


def _uri_of(path: str) -> str:
    """Where a file of the repository is on the site."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return NAMED.get(path, f"source/{path}.md")


def _page_of(path: str, config: MkDocsConfig) -> File:
    text = (ROOT / path).read_text()
    if not path.endswith(".md"):
        text = f"# {path}\n\n````{LANGUAGES[Path(path).suffix]}\n{text}````\n"
    return File.generated(config, _uri_of(path), content=text)
