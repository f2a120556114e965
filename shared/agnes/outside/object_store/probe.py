"""Does this store keep what we build on? Asked at first start and at deploy, since stores differ.

Some take `If-Match` and ignore it, some let two creators win (docs/architecture.md). A store that breaks
one condition would lose commits silently, so the start stops and names it.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ids import new_nonce
from agnes.kernel.ports import (
    ABSENT,
    ANYTHING,
    DOWNLOAD_URL_SECONDS,
    Blob,
    Expect,
    NotModified,
    ObjectStore,
    PreconditionFailed,
    StoreUnfit,
    TryAgain,
    Unchanged,
    Version,
    upload_headers,
)
from agnes.outside.metered import unmetered
from agnes.outside.object_store.presigned import PresignedGet, PresignRefused, SelfSigned, UploadMismatch

RACERS = 8
PATIENCE = 20
"""Writes that a racer sends while the store answers that it is busy."""
CONTENT_TYPE = "application/octet-stream"


def probe(store: ObjectStore) -> None:
    """Try the conditions on keys under `probe/`, and remove them again. About a hundred small requests.

    Raises StoreUnfit naming the broken condition, or UnavailableError when the store did not answer.
    """
    trial = _Trial(store, f"probe/{new_nonce()}")
    try:
        for condition in CONDITIONS:
            if not condition(trial):
                broken = (condition.__doc__ or condition.__name__).strip().removesuffix(".")
                raise StoreUnfit(
                    f"this store cannot be used: it is not true that {broken[0].lower()}{broken[1:]}",
                    hint=HINTS.get(
                        condition,
                        "Use a store that honours conditional writes: AWS S3, a current MinIO, or the folder.",
                    ),
                    condition=condition.__name__.strip("_"),
                )
    finally:
        store.remove(trial.keys)


@dataclass
class _Trial:
    store: ObjectStore
    folder: str

    def __post_init__(self) -> None:
        self.keys: list[str] = []

    def key(self, name: str) -> str:
        key = f"{self.folder}/{name}"
        self.keys.append(key)
        return key

    def body(self, key: str) -> bytes | None:
        found = self.store.read(key)
        return found.body if found is not None else None

    def write(self, key: str, body: bytes, expect: Expect) -> Version | None:
        """The version, or None if refused."""
        for _ in range(PATIENCE):
            try:
                return self.store.write(key, body, expect=expect)
            except PreconditionFailed:
                return None
            except TryAgain as again:
                busy = again
        raise busy

    def race(self, key: str, expect: Expect) -> bool:
        """Of eight writers that expect the same, one wins, and its bytes are there."""
        bodies = [b"racer %d" % racer for racer in range(RACERS)]
        with ThreadPoolExecutor(RACERS) as pool:
            versions = list(pool.map(lambda body: self.write(key, body, expect), bodies))
        winners = [body for body, version in zip(bodies, versions, strict=True) if version]
        return len(winners) == 1 and self.body(key) == winners[0]


def _reads_what_was_written(trial: _Trial) -> bool:
    """A read returns the bytes and the version of the write before it, and None for a missing key."""
    key, body = trial.key("read"), bytes(range(256)) * 40
    version = trial.write(key, body, ANYTHING)
    return trial.store.read(key) == Blob(body, version or Version("")) and trial.body(trial.key("missing")) is None


def _creates_once(trial: _Trial) -> bool:
    """A create on an existing key is refused and changes nothing."""
    key = trial.key("create")
    return (
        bool(trial.write(key, b"first", ABSENT))
        and not trial.write(key, b"2nd", ABSENT)
        and trial.body(key) == b"first"
    )


def _create_race_has_one_winner(trial: _Trial) -> bool:
    """Of eight writers that create the same key at once, one wins."""
    return trial.race(trial.key("create-race"), ABSENT)


def _refuses_stale_swap(trial: _Trial) -> bool:
    """A swap that expects an older version is refused and changes nothing."""
    key = trial.key("swap")
    old = trial.write(key, b"old", ABSENT)
    if old is None or not trial.write(key, b"new", Unchanged(old)):
        return False
    return not trial.write(key, b"stale", Unchanged(old)) and trial.body(key) == b"new"


def _refuses_swap_of_nothing(trial: _Trial) -> bool:
    """A swap on a missing key is refused and creates nothing."""
    version = trial.write(trial.key("something"), b"x", ANYTHING)
    key = trial.key("nothing")
    return version is not None and not trial.write(key, b"x", Unchanged(version)) and trial.body(key) is None


def _swap_race_has_one_winner(trial: _Trial) -> bool:
    """Of eight writers that swap the same version at once, one wins."""
    key = trial.key("swap-race")
    version = trial.write(key, b"start", ABSENT)
    return version is not None and trial.race(key, Unchanged(version))


def _reads_if_changed(trial: _Trial) -> bool:
    """A conditional read says NotModified for the same version, and returns the bytes for another one."""
    key = trial.key("conditional-read")
    old = trial.write(key, b"old", ANYTHING)
    if old is None:
        return False
    same = trial.store.read_if_changed(key, old)
    new = trial.write(key, b"new", ANYTHING)
    return same == NotModified() and trial.store.read_if_changed(key, old) == Blob(b"new", new or Version(""))


def _lists_in_key_order(trial: _Trial) -> bool:
    """A listing shows every object at once, in key order, folders or not, upper and lower case apart."""
    names = ["A", "a-b", "a.c", "a/b", "a/c.d", "a0", "b"]
    for name in reversed(names):
        trial.write(trial.key(f"list/{name}"), name.encode(), ABSENT)
    listed = [entry.key.removeprefix(f"{trial.folder}/list/") for entry in trial.store.list(f"{trial.folder}/list/")]
    later = [entry.key for entry in trial.store.list(f"{trial.folder}/list/a", after=f"{trial.folder}/list/a/b")]
    return listed == names and later == [f"{trial.folder}/list/{name}" for name in ("a/c.d", "a0")]


def _removes(trial: _Trial) -> bool:
    """A removed object is neither read nor listed, and removing it again is no error."""
    key = trial.key("removed/x")
    trial.write(key, b"x", ABSENT)
    trial.store.remove([key])
    trial.store.remove([key])
    return trial.body(key) is None and not list(trial.store.list(f"{trial.folder}/removed/"))


def _takes_only_the_declared_upload(trial: _Trial) -> bool:
    """A presigned PUT takes the declared bytes, and refuses others of the same length and of another."""
    key, body = trial.key("upload"), b"declared bytes"
    sha256_hex = hashlib.sha256(body).hexdigest()
    url = trial.store.presign_put(
        key, seconds=60, size_bytes=len(body), sha256_hex=sha256_hex, content_type=CONTENT_TYPE
    )
    headers = upload_headers(sha256_hex=sha256_hex, content_type=CONTENT_TYPE)
    others = (b"Declared bytes", body + b"!", body[:-1])
    refused = not any(_upload(trial.store, url, other, headers) for other in others) and trial.body(key) is None
    return refused and _upload(trial.store, url, body, headers) and trial.body(key) == body


def _serves_a_download(trial: _Trial) -> bool:
    """A presigned GET serves what was written, by a clock that differs from this one by few seconds."""
    key, body = trial.key("download"), b"to be downloaded"
    trial.write(key, body, ANYTHING)
    url = trial.store.presign_get(key, seconds=DOWNLOAD_URL_SECONDS)
    own = unmetered(trial.store)
    if isinstance(own, SelfSigned):
        try:
            return own.open_presigned_url("GET", url) == PresignedGet(key, None, None)
        except PresignRefused:
            return False
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our store's own URL
            got: bytes = answer.read()
            return got == body
    except urllib.error.HTTPError as refused:
        refused.close()
        if refused.code < 500:
            return False
        raise UnavailableError(f"the store answered {refused.code} to a presigned GET") from refused
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError(f"no answer to a presigned GET: {type(error).__name__}") from error


def _upload(store: ObjectStore, url: str, body: bytes, headers: dict[str, str]) -> bool:
    """Whether the store took the body."""
    own = unmetered(store)
    if isinstance(own, SelfSigned):  # its gateway may not listen yet
        try:
            own.take_presigned_url(url, body, content_type=headers["Content-Type"])
        except UploadMismatch:
            return False
        return True
    request = urllib.request.Request(url, data=body, headers=headers, method="PUT")  # noqa: S310 - our store's own URL
    try:
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            return True
    except urllib.error.HTTPError as refused:
        refused.close()
        if refused.code < 500:
            return False
        raise UnavailableError(f"the store answered {refused.code} to a presigned PUT") from refused
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError(f"no answer to a presigned PUT: {type(error).__name__}") from error


HINTS: dict[Callable[[_Trial], bool], str] = {
    _serves_a_download: "Set the clocks of this machine and of the store, and check AGNES_S3_PUBLIC_ENDPOINT."
}
CONDITIONS: tuple[Callable[[_Trial], bool], ...] = (
    _reads_what_was_written,
    _creates_once,
    _create_race_has_one_winner,
    _refuses_stale_swap,
    _refuses_swap_of_nothing,
    _swap_race_has_one_winner,
    _reads_if_changed,
    _lists_in_key_order,
    _removes,
    _takes_only_the_declared_upload,
    _serves_a_download,
)
