"""Where a catalog's entry may say that its plugin is, and how each form is written.

Kinds and forms as the client's own schema has them in 2.1.197 and 2.1.332 (`claude plugin install`, marketplace reference,
"Plugin sources").
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agnes.claude_code.versions import OLDEST

GITHUB = "https://github.com"


@dataclass(frozen=True, slots=True)
class SourceKind:
    """One value of `source.source`."""

    name: str
    since: str
    """The first version of the client that knows it; OLDEST stands for all that are supported."""
    reason: str = ""
    """Why Agnes does not fetch it; empty if it does."""


KINDS = {
    kind.name: kind
    for kind in (
        SourceKind("github", OLDEST),
        SourceKind("url", OLDEST),
        SourceKind("git-subdir", OLDEST),
        SourceKind("npm", OLDEST),
        SourceKind("archive", "2.1.224"),
        SourceKind(
            "command",
            "2.1.229",
            "a command source is made by a program on each person's computer, which Agnes does not run: add this marketplace to "
            "Claude Code itself",
        ),
    )
}

HEADERS = {
    "headersHelper": "its archive is fetched with headers that a program prints (headersHelper), which Agnes does not run",
    "headers": "its archive is fetched with headers that the catalog names, which Agnes does not send",
}
"""Fields of an entry (since 2.1.224, headersHelper since 2.1.238) without which its archive cannot be fetched."""

_SHORTHAND = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
"""`owner/repo` of GitHub."""
_SCP = re.compile(r"(?:[A-Za-z0-9_.-]+@)?(?P<host>[A-Za-z0-9.-]+):(?P<path>[^/:][^:]*)")
"""`git@host:path`, as scp writes it."""
_SSH = re.compile(r"(?:git\+)?ssh://(?:[A-Za-z0-9_.-]+@)?(?P<host>[A-Za-z0-9.-]+)(?::\d+)?/(?P<path>.+)")
_AZURE = re.compile(r"v3/(?P<organisation>[^/]+)/(?P<project>[^/]+)/(?P<repo>[^/]+)")


def is_shorthand(text: str) -> bool:
    """Whether a text is `owner/repo`."""
    owner, _, repo = text.partition("/")
    return bool(_SHORTHAND.fullmatch(text)) and owner not in (".", "..") and repo not in (".", "..", ".git")


def is_ssh(text: str) -> bool:
    return text.startswith(("ssh://", "git+ssh://")) or (
        "://" not in text and "@" in text and bool(_SCP.fullmatch(text))
    )


def https_url(text: str) -> str:
    """The https URL of a repository that is named by `owner/repo`, an SSH URL or a URL; other texts as they are.

    The client clones SSH URLs with the keys of who installs; Agnes has none, and the same hosts serve public repositories
    by https.
    """
    if is_shorthand(text):
        return github_url(text)
    found = _SSH.fullmatch(text) or (_SCP.fullmatch(text) if "://" not in text and "@" in text else None)
    if found is None:
        return text.removeprefix("git+") if text.startswith("git+https://") else text
    host, path = found["host"].lower(), found["path"].strip("/")
    if host == "ssh.dev.azure.com" and (azure := _AZURE.fullmatch(path)):
        return f"https://dev.azure.com/{azure['organisation']}/{azure['project']}/_git/{azure['repo']}"
    return f"https://{'github.com' if host == 'ssh.github.com' else host}/{path}"


def github_url(repo: str) -> str:
    """Of `owner/repo`, with or without `.git`."""
    return f"{GITHUB}/{repo.removesuffix('.git')}.git"
