"""The adapter: fetch one commit over https (or http, or from a folder, where allowed)."""

from __future__ import annotations

import base64
import re
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from dulwich.errors import NotGitRepository
from dulwich.objects import ObjectID
from dulwich.refs import Ref
from dulwich.repo import Repo

from agnes.kernel.errors import AgnesError
from agnes.kernel.git import GitFailed, GitMissing, GitSnapshot, GitTooLarge
from agnes.kernel.ports import Secret
from agnes.outside.egress import Alarm, Dial, Egress, EgressError, Resolve, dial
from agnes.outside.git.limits import GitLimits
from agnes.outside.git.local import require_plain_files
from agnes.outside.git.objects import Spool, SpooledSnapshot, copy_commit, too_many_objects
from agnes.outside.git.packs import HEADER_BYTES, unpack
from agnes.outside.git.transport import SafeHttpClient, check_scheme, git_error

_FULL_SHA = re.compile(r"[0-9a-f]{40}")
_SPOOL_BYTES = 16_000_000

Want = Callable[[Mapping[Ref, ObjectID]], list[str]]
"""Refs that a server has → ids of what is to be fetched."""


class DulwichGit:
    """A `GitReader`. `allow` holds what AGNES_OUTBOUND_ALLOW adds to https and public addresses."""

    def __init__(
        self,
        *,
        allow: frozenset[str] = frozenset(),
        limits: GitLimits | None = None,
        resolve: Resolve = socket.getaddrinfo,
        dial: Dial = dial,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allow = allow
        self._limits = limits or GitLimits()
        self._egress = Egress(allow_private="private" in allow, resolve=resolve, dial=dial, tls=tls)

    @contextmanager
    def fetch(
        self, url: str, *, ref: str, token: Secret | None, known: str | None, seconds: float, share: int = 1
    ) -> Iterator[GitSnapshot | None]:
        scheme = urlsplit(url).scheme.lower()
        check_scheme(scheme, self._allow)
        with Spool(self._limits.shared(share)) as spool:
            with _without(token):
                if scheme == "file":
                    oid = self._copy(url, ref, known, spool)
                else:
                    oid = self._fetch(url, ref, spool, token=token, known=known, seconds=seconds)
            yield SpooledSnapshot.of(spool, oid) if oid else None

    def tags(self, url: str, *, prefix: str, token: Secret | None, seconds: float) -> list[str]:
        scheme = urlsplit(url).scheme.lower()
        check_scheme(scheme, self._allow)
        begins, names = b"refs/tags/" + prefix.encode(), set[bytes]()

        def note(refs: Mapping[Ref, ObjectID]) -> list[str]:
            names.update(name for name in refs if name.startswith(begins) and not name.endswith(b"^{}"))
            return []

        with _without(token), Spool(self._limits) as spool:
            if scheme == "file":
                with closing(_repository(url)) as repo:
                    note(repo.get_refs())
            else:
                self._receive(url, [begins], note, spool, token=token, seconds=seconds)
        return sorted(name.removeprefix(b"refs/tags/").decode("utf-8", "surrogateescape") for name in names)

    def _fetch(
        self, url: str, ref: str, spool: Spool, *, token: Secret | None, known: str | None, seconds: float
    ) -> str | None:
        """Fill the spool over HTTP; the id that `ref` names, or None if that is `known`."""
        wanted: list[str] = []

        def want(refs: Mapping[Ref, ObjectID]) -> list[str]:
            oid = _pick(refs, ref)
            wanted.extend([] if oid == known else [oid])
            return wanted

        prefixes = [b"HEAD"] if _FULL_SHA.fullmatch(ref) else [ref.encode()]
        self._receive(url, prefixes, want, spool, token=token, seconds=seconds)
        return wanted[0] if wanted else None

    def _receive(
        self, url: str, prefixes: list[bytes], want: Want, spool: Spool, *, token: Secret | None, seconds: float
    ) -> None:
        """Ask over HTTP for the refs that begin with `prefixes`, and fill the spool with what is wanted of them."""
        try:
            self._talk(url, prefixes, want, spool, token=token, seconds=seconds)
        except EgressError as exc:
            raise git_error(exc) from exc

    def _talk(
        self, url: str, prefixes: list[bytes], want: Want, spool: Spool, *, token: Secret | None, seconds: float
    ) -> None:
        wanted: list[ObjectID] = []

        def determine_wants(refs: Mapping[Ref, ObjectID], depth: int | None = None) -> list[ObjectID]:  # noqa: ARG001
            wanted.extend(ObjectID(oid.encode()) for oid in want(refs))
            return wanted

        with (
            tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES, prefix="agnes-pack-") as pack,
            Alarm(seconds) as alarm,
            closing(
                SafeHttpClient(
                    url,
                    token=token,
                    allow=self._allow,
                    limits=spool.limits,
                    alarm=alarm,
                    egress=self._egress,
                )
            ) as client,
        ):
            sink = _Sink(pack, spool.limits)
            try:
                client.fetch_pack("", determine_wants, _Nothing(), sink, depth=1, ref_prefix=prefixes)
            except (AgnesError, EgressError):
                raise
            # dulwich raises GitProtocolError, HangupException, ValueError and AssertionError at what servers send.
            except Exception as exc:
                alarm.check()
                raise GitFailed(f"the server does not speak git as it should ({_words(exc)})") from exc
            if wanted:
                pack.seek(0)
                # As bytes and not as an mmap: mapping a spooled file would force it to disk, and 100 MB fit.
                unpack(pack.read(), spool)

    def _copy(self, url: str, ref: str, known: str | None, spool: Spool) -> str | None:
        with closing(_repository(url)) as repo:
            oid = _pick(repo.get_refs(), ref)
            if oid == known:
                return None
            copy_commit(lambda wanted: repo.object_store[ObjectID(wanted.encode())], spool, oid)
            return oid


def _repository(url: str) -> Repo:
    """The one in the folder that a file URL names. Raises GitMissing."""
    parts = urlsplit(url)
    path = Path(unquote(parts.path))
    if parts.netloc not in ("", "localhost") or not path.is_absolute():
        raise GitMissing("a file URL begins with file:/// and an absolute path")
    require_plain_files(path)
    try:
        return Repo(str(path))
    except (NotGitRepository, OSError) as exc:
        raise GitMissing("there is no git repository at this path") from exc


@contextmanager
def _without(token: Secret | None) -> Iterator[None]:
    """No message says the token."""
    try:
        yield
    except AgnesError as exc:
        if token is None or not _mentions(exc.message, token):
            raise
        raise type(exc)(_redacted(exc.message, token), code=exc.code, hint=exc.hint) from None


class _Sink:
    """Takes the pack as it comes and stops when it is too much."""

    def __init__(self, file: Any, limits: GitLimits) -> None:
        self._file = file
        self._limits = limits
        self._size = 0
        self._start = b""

    def __call__(self, data: bytes) -> int:
        self._size += len(data)
        if self._size > self._limits.pack_bytes:
            raise GitTooLarge(
                f"the repository's pack is larger than {self._limits.pack_bytes} bytes",
                hint="Remove large files from it.",
            )
        if len(self._start) < HEADER_BYTES:
            self._start += data[:HEADER_BYTES]
            if len(self._start) >= HEADER_BYTES and int.from_bytes(self._start[8:12], "big") > self._limits.objects:
                raise too_many_objects(self._limits.objects)
        written: int = self._file.write(data)
        return written


class _Nothing:
    """A graph walker of somebody who has no commits yet."""

    shallow: frozenset[bytes] = frozenset()

    def __next__(self) -> None:
        return None

    def ack(self, sha: bytes) -> None: ...

    def nak(self) -> None: ...


def _pick(refs: Mapping[Ref, ObjectID], ref: str) -> str:
    """The id that a ref names. Raises GitMissing."""
    if _FULL_SHA.fullmatch(ref):
        return ref
    found = refs.get(Ref(ref.encode()))
    if found:
        return found.decode()
    if ref == "HEAD":
        raise GitMissing("the repository is empty", code="git_empty", hint="Push a commit to its default branch.")
    kind, name = (
        ("tag", ref.removeprefix("refs/tags/"))
        if ref.startswith("refs/tags/")
        else (
            "branch",
            ref.removeprefix("refs/heads/"),
        )
    )
    raise GitMissing(f"the repository has no {kind} {name}", code="git_ref_missing", hint=f"Check the {kind}'s name.")


def _words(exc: Exception) -> str:
    text = "".join(c if c.isprintable() else " " for c in str(exc))[:200].strip()
    return text or type(exc).__name__


def _forms(token: Secret) -> tuple[str, ...]:
    return token.value, base64.b64encode(b"x-access-token:" + token.value.encode()).decode()


def _mentions(message: str, token: Secret) -> bool:
    return any(form in message for form in _forms(token))


def _redacted(message: str, token: Secret) -> str:
    for form in _forms(token):
        message = message.replace(form, "***")
    return message
