"""External sources: a plugin of another repository or of an npm registry, fetched at sync and served as our own copy.

Only where an admin allows it for the marketplace. Under the limits of any repository, over judged
connections, and never with the marketplace's token: that belongs to one server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from agnes.kernel.errors import BadRequestError
from agnes.kernel.git import GitMissing, GitReader, GitSnapshot, GitUnreachable
from agnes.kernel.web import WebReader
from agnes.marketplace import npm, rules
from agnes.marketplace.limits import MAX_EXTERNAL
from agnes.marketplace.sources import SourceInvalid, folder_of

GITHUB = "https://github.com"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a plugin outside the repository is."""

    url: str
    refs: tuple[str, ...]
    """What to ask git for: the first that exists."""
    folder: str
    """Within that repository; its root at the empty path."""


def place_of(source: Any) -> Place:
    """Of a git source, as an object or a plain URL. Raises SourceInvalid."""
    given = {"source": "url", "url": source} if isinstance(source, str) else source
    kind = given.get("source")
    folder = ""
    if kind == "github":
        repo = given.get("repo")
        owner, slash, name = repo.partition("/") if isinstance(repo, str) else ("", "", "")
        if not slash or not rules.PLUGIN_NAME.fullmatch(owner) or not rules.PLUGIN_NAME.fullmatch(name):
            raise SourceInvalid("source: repo must be <owner>/<name>")
        url = f"{GITHUB}/{owner}/{name.removesuffix('.git')}.git"
    elif kind in ("url", "git-subdir"):
        url = _git_url(given.get("url"))
        if kind == "git-subdir":
            path = given.get("path")
            if not isinstance(path, str) or not path:
                raise SourceInvalid("source: git-subdir needs a path")
            folder = folder_of(path, "source.path")
    else:
        raise SourceInvalid(f"{kind} sources are not fetched from git")
    return Place(url, _refs(given), folder)


def _git_url(url: Any) -> str:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        if parts is None or not parts.scheme or parts.username is not None or parts.query or parts.fragment:
            raise SourceInvalid("source: url must be an https URL without credentials")
    except ValueError as exc:
        raise SourceInvalid("source: url is not a URL") from exc
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > rules.MAX_URL:
        raise SourceInvalid("source: url is not a URL")
    return url


def _refs(given: dict[str, Any]) -> tuple[str, ...]:
    sha, ref = given.get("sha"), given.get("ref")
    for value in (sha, ref):
        if value is not None and not isinstance(value, str):
            raise SourceInvalid("source: ref and sha must be text")
    try:
        if sha:
            pin = rules.ref(sha)
            if rules.git_ref(None, pin) != pin:
                raise SourceInvalid("source: sha must be a full commit id")
            return (pin,)
        pin = rules.ref(ref)
    except BadRequestError as exc:
        raise SourceInvalid(f"source: {exc.message}") from exc
    if pin is None:
        return ("HEAD",)
    asked = rules.git_ref(None, pin)
    return (asked,) if asked == pin else (f"refs/heads/{pin}", asked)


@dataclass
class External:
    """Fetches the sources of one sync, within what is left of its time."""

    git: GitReader
    web: WebReader
    npm_registry: str
    left: Callable[[], float]
    """Seconds."""
    fetched: int = 0

    @contextmanager
    def open(self, source: Any) -> Iterator[tuple[GitSnapshot, str]]:
        """(snapshot, folder in it). Raises SourceInvalid and the families of `agnes.kernel.git` and `agnes.kernel.web`."""
        self.fetched += 1
        if self.fetched > MAX_EXTERNAL:
            raise SourceInvalid(f"more than {MAX_EXTERNAL} external sources in one marketplace")
        if isinstance(source, dict) and source.get("source") == "npm":
            package = npm.package_of(source, self.npm_registry)
            release = npm.resolve(self.web, self.npm_registry, package, seconds=self._seconds())
            yield npm.NpmSnapshot(self.web, release, self._seconds()), ""
            return
        place = place_of(source)
        last: GitMissing | None = None
        for ref in place.refs:
            left = self._seconds()
            with ExitStack() as held:
                try:
                    found = held.enter_context(self.git.fetch(place.url, ref=ref, token=None, known=None, seconds=left))
                except GitMissing as exc:
                    last = exc
                    continue
                if found is None:
                    raise GitMissing("the server has no such commit")
                yield found, place.folder
                return
        raise last or GitMissing("the repository has no such ref")

    def _seconds(self) -> float:
        left = self.left()
        if left <= 0:
            raise GitUnreachable("no time was left to fetch it", code="sync_timeout", hint="Sync again.")
        return left
