"""Getting a view of the feed: with git, which fetches only what is new, else as a zip.

Nothing is checked out by git: files are read from its objects, so that neither attributes, filters, hooks nor symbolic
links of a repository do anything here. The token is in git's environment for that one call, and nowhere else.
"""

from __future__ import annotations

import base64
import os
import shutil
import stat
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from agnes_cli import config
from agnes_cli.failures import Failure
from agnes_cli.marketplace_copy import MAX_BYTES, MarketplaceCopy, Member, UnsafeDownload

SERVED = "refs/agnes/served"
GIT_SECONDS = 300
KEPT_OF_GIT = ("GIT_SSL_", "GIT_CONFIG", "GIT_EXEC_PATH", "GIT_HTTP_USER_AGENT", "GIT_PROXY_")
"""Of the environment: a GIT_DIR or a GIT_TRACE of the person's own has no business with our repository and token."""


class GitFailed(Failure):
    def __init__(self, what: str, stderr: bytes) -> None:
        lines = stderr.decode("utf-8", "replace").strip().splitlines()
        super().__init__(f"git {what} failed: {lines[-1][:200] if lines else 'no reason given'}")


def by_git(copy: MarketplaceCopy, server: str, token: str) -> str:
    """Fetch the view and put it in place; its commit. Raises GitFailed, UnsafeDownload."""
    commit = _fetch(copy.repository, server, token)
    copy.replace(_git_members(copy.repository, commit), server=server, commit=commit)
    return commit


def has_git() -> bool:
    return shutil.which("git") is not None


def _fetch(repository: Path, server: str, token: str) -> str:
    environment = git_environment(server, token)
    wish = ["--quiet", "--no-tags", "--no-recurse-submodules", f"{server}/marketplace.git", f"+HEAD:{SERVED}"]
    try:
        if not (repository / "HEAD").is_file():
            _git(None, environment, "init", "--quiet", "--bare", "--template=", str(repository))
        _git(repository, environment, "fetch", *wish)
    except GitFailed:
        # It may be what an earlier run left when it was killed. It is only a cache.
        shutil.rmtree(repository, ignore_errors=True)
        raise
    return _git(repository, environment, "rev-parse", "--verify", f"{SERVED}^{{commit}}").decode().strip()


def git_environment(server: str, token: str) -> dict[str, str]:
    """The environment of a git that signs in to `server` and asks nobody for anything."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k.startswith(KEPT_OF_GIT)}
    header = f"http.{server}/.extraHeader"
    settings = [
        (header, ""),  # none of the person's own: they would be sent besides ours
        (header, "Authorization: Basic " + base64.b64encode(f"agnes:{token}".encode()).decode()),
        ("http.followRedirects", "false"),
        ("http.lowSpeedLimit", "1000"),
        ("http.lowSpeedTime", "30"),
        ("credential.helper", ""),
        ("core.hooksPath", os.devnull),
        ("core.fsmonitor", "false"),
        ("gc.autoDetach", "false"),
        ("maintenance.autoDetach", "false"),
    ]
    if (seen := config.seen(server)) is not None:
        settings.insert(2, (header, f"X-Agnes-Generation: {seen}"))
    given = kept.get("GIT_CONFIG_COUNT", "")
    first = int(given) if given.isdigit() else 0
    for number, (name, value) in enumerate(settings, first):
        kept |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return kept | {
        "GIT_CONFIG_COUNT": str(first + len(settings)),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "LC_ALL": "C",
    }


def _git(repository: Path | None, environment: dict[str, str], *arguments: str) -> bytes:
    place = [f"--git-dir={repository}"] if repository else []
    try:
        done = subprocess.run(
            ["git", *place, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise GitFailed(arguments[0], type(exc).__name__.encode()) from exc
    if done.returncode != 0:
        raise GitFailed(arguments[0], done.stderr)
    return done.stdout


def _git_members(repository: Path, commit: str) -> Iterator[Member]:
    """Every file of a commit. Raises UnsafeDownload for what is no plain file."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    listing = _git(repository, environment, "ls-tree", "-r", "-z", "--full-tree", commit)
    entries = []
    for line in listing.split(b"\0")[:-1]:
        about, _, path = line.partition(b"\t")
        mode, kind, oid = about.decode().split(" ")
        name = path.decode("utf-8", "replace")
        if kind != "blob" or mode not in ("100644", "100755"):
            raise UnsafeDownload(f"{name!r:.200}: no plain file")
        entries.append((name, mode == "100755", oid))
    with tempfile.TemporaryFile() as wish:
        wish.write("".join(f"{oid}\n" for _, _, oid in entries).encode())
        wish.seek(0)
        command = ["git", f"--git-dir={repository}", "cat-file", "--batch"]
        with subprocess.Popen(
            command, env=environment, stdin=wish, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as batch:
            try:
                for name, executable, oid in entries:
                    yield Member(name, executable, _blob(batch.stdout, oid))
            finally:
                batch.kill()


def _blob(stdout: IO[bytes] | Any, oid: str) -> bytes:
    said = stdout.readline().split()
    if len(said) != 3 or said[0] != oid.encode() or said[1] != b"blob" or int(said[2]) > MAX_BYTES:
        raise GitFailed("cat-file", b"an object is missing")
    body = stdout.read(int(said[2]) + 1)
    if len(body) != int(said[2]) + 1:
        raise GitFailed("cat-file", b"an object is cut off")
    return body[:-1]


def by_zip(copy: MarketplaceCopy, server: Any) -> str:
    """Fetch the view unless it is there, and put it in place; its commit. `server` is a `Server`. Raises Failure."""
    known = copy.commit(server.url)
    found = server.find_redirect("/marketplace.zip", etag=known)
    if found is None:
        return known
    commit: str
    commit, address = found
    with tempfile.TemporaryFile(dir=copy.home) as file:
        with server.object(address) as pieces:
            for piece in pieces:
                if file.tell() + len(piece) > MAX_BYTES:
                    raise UnsafeDownload(f"it is larger than {MAX_BYTES:,} bytes")
                file.write(piece)
        try:
            with zipfile.ZipFile(file) as archive:
                copy.replace(_zip_members(archive), server=server.url, commit=commit)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as exc:
            raise UnsafeDownload(f"it is no sound zip ({type(exc).__name__})") from exc
    return commit


def _zip_members(archive: zipfile.ZipFile) -> Iterator[Member]:
    """Every file. A symbolic link is refused, and a size that is not the declared one ends in BadZipFile."""
    declared = 0
    for info in archive.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        declared += info.file_size
        if declared > MAX_BYTES:
            raise UnsafeDownload(f"it inflates to more than {MAX_BYTES:,} bytes")
        if info.is_dir() and kind in (0, stat.S_IFDIR):
            continue
        if kind not in (0, stat.S_IFREG):
            raise UnsafeDownload(f"{info.filename!r:.200}: no plain file")
        # orig_filename: the other has its backslashes made into slashes on some systems.
        with archive.open(info) as file:
            yield Member(info.orig_filename, bool(info.external_attr >> 16 & 0o100), file.read())
