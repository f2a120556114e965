"""The port of git: one commit of somebody's repository, read as objects and never checked out.

    GitFailed       502   the server or what it sent is no use; the same again gives the same
    ├── GitDenied         it wants a token, or another one
    ├── GitMissing        no such repository, branch, tag or commit
    ├── GitTooLarge       over a stated limit
    └── GitDamaged        an object is missing, or is none
    GitRefused      400   we do not go there (settings: AGNES_OUTBOUND_ALLOW)
    GitUnreachable  503   no answer in time; try again

Messages may quote the server, so adapters take the token out of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from agnes.kernel.errors import AgnesError, BadRequestError, UnavailableError
from agnes.kernel.ports import Secret

FILE, EXECUTABLE, SYMLINK, SUBMODULE, FOLDER = 0o100644, 0o100755, 0o120000, 0o160000, 0o040000
GROUP_WRITABLE = 0o100664  # written by git before 2005; git reads it as a plain file


class GitFailed(AgnesError):
    status = 502
    code = "git_failed"


class GitDenied(GitFailed):
    code = "git_denied"


class GitMissing(GitFailed):
    code = "git_missing"


class GitTooLarge(GitFailed):
    code = "git_too_large"


class GitDamaged(GitFailed):
    code = "git_damaged"


class GitRefused(BadRequestError):
    code = "git_refused"


class GitUnreachable(UnavailableError):
    code = "git_unreachable"


@dataclass(frozen=True, slots=True)
class GitEntry:
    """A leaf of a tree. `path` is relative to the walked folder; bytes that are no UTF-8 are surrogates in it."""

    path: str
    mode: int
    oid: str
    size_bytes: int
    """0 for a submodule, whose content is elsewhere."""


class GitSnapshot(Protocol):
    commit: str
    """40 hexadecimal digits."""

    def folder(self, path: str) -> str | None:
        """Id of the tree at `path` (the root at the empty path); None if there is no such folder."""
        ...

    def entry(self, path: str) -> GitEntry | None:
        """The leaf at `path`, None if there is none."""
        ...

    def walk(self, tree_id: str) -> Iterator[GitEntry]:
        """Every leaf below a tree, in git's order, lazily: a few objects may name millions of leaves.

        Raises GitDamaged.
        """
        ...

    def read(self, oid: str) -> bytes:
        """The bytes of a blob. Raises GitDamaged."""
        ...


class GitReader(Protocol):
    def fetch(
        self, url: str, *, ref: str, token: Secret | None, known: str | None, seconds: float, share: int = 1
    ) -> AbstractContextManager[GitSnapshot | None]:
        """The commit that `ref` names: `HEAD`, a full name such as `refs/heads/main`, or 40 hexadecimal digits.

        None if that is still `known`, after asking for the refs alone. Of `share` fetches side by side, each may take its
        part of what one alone may. Raises the family above.
        """
        ...

    def tags(self, url: str, *, prefix: str, token: Secret | None, seconds: float) -> list[str]:
        """Names of the tags that begin with `prefix`, sorted; the refs alone are asked for. Raises the family above."""
        ...
