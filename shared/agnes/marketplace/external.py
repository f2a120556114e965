"""External sources: a plugin of another repository, of an npm registry or in an archive, fetched at sync and served as our own copy.

Only where an admin allows it for the marketplace. Under the limits of any repository, over judged
connections, and never with the marketplace's token: that belongs to one server. They are fetched side by side, one fetch for
all plugins of one commit, each within a time of its own. What there was no time for waits for the next sync, which begins
with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from agnes.claude_code import sources as forms
from agnes.kernel.errors import BadRequestError
from agnes.kernel.git import GitMissing, GitReader, GitSnapshot
from agnes.kernel.web import WebReader
from agnes.marketplace import npm, rules
from agnes.marketplace.archives import Archive, ArchiveSnapshot, archive_of
from agnes.marketplace.limits import EXTERNAL_SECONDS, MIN_EXTERNAL_SECONDS
from agnes.marketplace.sources import SourceInvalid, folder_of

_FULL_SHA = re.compile(r"[0-9a-f]{40}")


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
        if not isinstance(repo, str) or not (forms.is_shorthand(repo) or forms.https_url(repo) != repo):
            raise SourceInvalid("source: repo must be <owner>/<name>")
        url = forms.https_url(repo)
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


def _git_url(given: Any) -> str:
    """An https URL (others are judged when they are fetched) of whatever form the client takes. Raises SourceInvalid."""
    url = forms.https_url(given.strip()) if isinstance(given, str) else ""
    if not url or not url.isascii() or not url.isprintable() or " " in url or len(url) > rules.MAX_URL:
        raise SourceInvalid("source: url must be an https URL, <owner>/<name> or git@<host>:<path>")
    try:
        parts = urlsplit(url)
        if not parts.scheme or not (parts.hostname or parts.scheme == "file"):
            raise SourceInvalid("source: url must be an https URL, <owner>/<name> or git@<host>:<path>")
        if parts.password is not None:
            raise SourceInvalid("source: url holds credentials: a token of the catalog is not used")
        if parts.query or parts.fragment:
            raise SourceInvalid("source: url must have no query and no fragment")
        if parts.username is not None:  # a name alone is no secret, and no server needs it for what is public
            url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    except SourceInvalid:
        raise
    except ValueError as exc:
        raise SourceInvalid("source: url is not a URL") from exc
    return url


def _refs(given: dict[str, Any]) -> tuple[str, ...]:
    sha, ref = given.get("sha"), given.get("ref")
    for value in (sha, ref):
        if value is not None and not isinstance(value, str):
            raise SourceInvalid("source: ref and sha must be text")
    try:
        if sha:
            pin = rules.ref(sha)
            if pin is None or rules.git_ref(None, pin) != pin:
                raise SourceInvalid("source: sha must be a full commit id")
            return (pin,)
        pin = rules.ref(ref)
    except BadRequestError as exc:
        raise SourceInvalid(f"source: {exc.message}") from exc
    if pin is None:
        return ("HEAD",)
    asked = rules.git_ref(None, pin)
    return (asked,) if asked == pin else (f"refs/heads/{pin}", asked)


Target = Place | npm.Package | Archive


def target_of(source: Any, npm_registry: str) -> Target:
    """What a source names. Raises SourceInvalid."""
    kind = source.get("source") if isinstance(source, dict) else "url"
    if kind == "npm":
        return npm.package_of(source, npm_registry)
    return archive_of(source) if kind == "archive" else place_of(source)


def is_pinned(target: Target) -> bool:
    """Whether what a target names can never become something else."""
    if isinstance(target, Archive):
        return target.sha256 is not None
    return isinstance(target, Place) and len(target.refs) == 1 and bool(_FULL_SHA.fullmatch(target.refs[0]))


@dataclass(frozen=True, slots=True)
class External:
    """Fetches the sources of one sync, within what is left of its time."""

    git: GitReader
    web: WebReader
    npm_registry: str
    left: Callable[[], float]
    """Seconds."""
    archives: Lock = field(default_factory=Lock)
    """Archives are large files on the disk of this machine: one at a time."""

    @contextmanager
    def open(self, target: Target, *, known: str | None = None, share: int = 1) -> Iterator[GitSnapshot | None]:
        """What is there; None if it is still the commit `known`.

        `share` is the number of fetches side by side, which have the room of one together (GitTooLarge beyond). Raises
        SourceInvalid and the families of `agnes.kernel.git` and `agnes.kernel.web`.
        """
        if isinstance(target, npm.Package):
            release = npm.resolve(self.web, self.npm_registry, target, seconds=self._seconds())
            yield npm.NpmSnapshot(self.web, release, self._seconds())
            return
        if isinstance(target, Archive):
            with self.archives, ArchiveSnapshot.fetched(self.web, target, seconds=self._seconds()) as archive:
                yield archive
            return
        last: GitMissing | None = None
        for ref in target.refs:
            with ExitStack() as held:
                try:
                    found = held.enter_context(
                        self.git.fetch(
                            target.url, ref=ref, token=None, known=known, seconds=self._seconds(), share=share
                        )
                    )
                except GitMissing as exc:
                    last = exc
                    continue
                if found is None and known is None:
                    raise GitMissing("the server has no such commit")
                yield found
                return
        raise last or GitMissing("the repository has no such ref")

    def _seconds(self) -> float:
        left = self.left()
        if left < MIN_EXTERNAL_SECONDS:
            raise NoTimeLeft
        return min(left, EXTERNAL_SECONDS)


class NoTimeLeft(Exception):
    """The sync has no time for this source."""
