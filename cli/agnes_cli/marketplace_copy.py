"""The folder that Claude Code reads our plugins from: one whole view of the feed, replaced in one step.

<home>/marketplace/        the view; `.agnes/version.json` says which
<home>/marketplace.git/    what git has fetched so far, so that it fetches only what is new
<home>/marketplace.lock    one refresh at a time

`home` is `~/.agnes`. What comes in is hostile: names are checked here, whatever the way they came.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agnes_cli import config
from agnes_cli.failures import Failure
from agnes_cli.workspace import hold_lock

CATALOG = ".claude-plugin/marketplace.json"
VERSION = ".agnes/version.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""Of marketplaces and plugins: they become arguments of `claude`, so none begins with a dash."""

MAX_FILES = 100_000
MAX_BYTES = 1_000_000_000
MAX_PATH_CHARACTERS = 400
MAX_NAME_BYTES = 240
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DEVICES = frozenset(["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))])


class UnsafeDownload(Failure):
    """Nothing of it was put in place."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the marketplace was not taken: {reason}", hint="Tell an admin of your Agnes server.")


@dataclass(frozen=True)
class Member:
    path: str
    executable: bool
    body: bytes


@dataclass(frozen=True)
class Catalog:
    """`name` is the marketplace's, `versions` those of its plugins by name, `renames` old name → name now."""

    name: str
    versions: dict[str, str]
    renames: dict[str, str] = field(default_factory=dict)


class MarketplaceCopy:
    def __init__(self, home: Path | None = None) -> None:
        self.home = home or config.marketplace_home()
        self.folder = self.home / "marketplace"
        self.repository = self.home / "marketplace.git"

    def exists(self) -> bool:
        return (self.folder / CATALOG).is_file()

    def commit(self, server: str) -> str:
        """The commit of the view if it came whole from this server, else an empty string."""
        try:
            said = json.loads((self.folder / VERSION).read_text(encoding="utf-8"))
            known = said["server"] == server and self.exists() and _COMMIT.fullmatch(said["version"])
            return said["version"] if known else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def catalog(self) -> Catalog:
        """What the view lists. Raises UnsafeDownload for a catalog that is none."""
        try:
            said = json.loads((self.folder / CATALOG).read_text(encoding="utf-8"))
            name, plugins = said["name"], said["plugins"]
            versions = {plugin["name"]: str(plugin.get("version") or "") for plugin in plugins}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
            raise UnsafeDownload(f"its catalog cannot be read ({type(exc).__name__})") from exc
        for given in (name, *versions):
            if not (isinstance(given, str) and NAME.fullmatch(given)):
                raise UnsafeDownload(f"{given!r:.100} is no name")
        renames = said.get("renames")
        followed = {old: new for old, new in (renames.items() if isinstance(renames, dict) else ()) if new in versions}
        return Catalog(name, versions, followed)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One refresh at a time, and after one that was killed, tidy again."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.home / "marketplace.lock").open("a") as file:
            hold_lock(file.fileno(), wait=True)
            self._tidy()
            yield

    def replace(self, members: Iterable[Member], *, server: str, commit: str) -> None:
        """Put `members` in place of what is there, whole or not at all. Raises UnsafeDownload."""
        if not _COMMIT.fullmatch(commit):
            raise UnsafeDownload("the server does not say which version it is")
        staging = self.home / f".marketplace.new.{os.urandom(6).hex()}"
        staging.mkdir(mode=0o700)
        try:
            _write(staging, members)
            version = {"server": server, "version": commit}
            _write_file(staging / VERSION, json.dumps(version).encode(), executable=False)
            if not (staging / CATALOG).is_file():
                raise UnsafeDownload("it has no catalog")
            self._swap(staging)
        except OSError as exc:
            raise Failure(f"the marketplace could not be written to {self.home}: {exc.strerror}") from exc
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _swap(self, staging: Path) -> None:
        old = self.home / f".marketplace.old.{os.urandom(6).hex()}"
        if self.folder.exists():
            self.folder.rename(old)
        staging.rename(self.folder)
        shutil.rmtree(old, ignore_errors=True)

    def _tidy(self) -> None:
        """Restore the copy that was moved away when a swap was killed between its two renames; remove leftovers."""
        for old in sorted(self.home.glob(".marketplace.old.*")):
            if self.folder.exists():
                shutil.rmtree(old, ignore_errors=True)
            else:
                old.rename(self.folder)
        for new in self.home.glob(".marketplace.new.*"):
            shutil.rmtree(new, ignore_errors=True)


def _write(folder: Path, members: Iterable[Member]) -> None:
    seen: set[str] = set()
    size_bytes = 0
    for member in members:
        if member.path == VERSION:
            continue
        reason = path_problem(member.path)
        if reason is None and (folded := unicodedata.normalize("NFC", member.path).casefold()) in seen:
            reason = "its name is there twice"
        size_bytes += len(member.body)
        if reason is None and (size_bytes > MAX_BYTES or len(seen) >= MAX_FILES):
            reason = f"there are more than {MAX_FILES:,} files or {MAX_BYTES:,} bytes"
        if reason is not None:
            raise UnsafeDownload(f"{member.path!r:.200}: {reason}")
        seen.add(folded)
        try:
            _write_file(folder / member.path, member.body, executable=member.executable)
        except (FileExistsError, NotADirectoryError):
            raise UnsafeDownload(f"{member.path!r:.200}: a file and a folder of one name") from None


def _write_file(path: Path, body: bytes, *, executable: bool) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700 if executable else 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(body)


def path_problem(path: str) -> str | None:
    """Why a path must not be written below one of Agnes's folders on any system, or None."""
    if not path or len(path) > MAX_PATH_CHARACTERS:
        return "its name is empty or too long"
    for segment in path.split("/"):
        if segment in ("", ".", ".."):
            return "it leads elsewhere"
        if len(segment.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
            return "its name is too long"
        if segment.rstrip(". ") != segment or any(character in '\\:*?"<>|' for character in segment):
            return "its name means another file on other systems"
        if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in segment):
            return "its name has characters that do not show"
        if segment.lower() == ".git" or segment.lower().startswith("git~"):
            return "it is git's own"
        if segment.lower().partition(".")[0] in _DEVICES:
            return "its name is a device's"
    return None


def read_json(path: Path) -> Any:
    """What one of Agnes's files holds, or None: it is written anew whenever it is needed."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
