"""Our copies of covers and documents that curators name by URL.

Fetched at each sync, four at a time, conditionally, over judged connections. A copy is kept under its
content as any asset is, and is published through its plugin's own addresses: whoever may not have the
plugin may not have its pictures. What decides about a copy is remembered by plugin, kind and URL:

- a failure that may pass (no answer, 5xx) keeps the good copy;
- one that will not (gone, of another kind, too large, a private address) ends it;
- "not modified" speaks of the copy that was asked about, so its bytes are taken from that one, whichever
  plugin it belongs to.

Where the repository is as it was, only copies that are no longer fresh are asked about, without its pack (`refresh`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields, replace
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from agnes.kernel.errors import AgnesError, UnavailableError
from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import Db
from agnes.kernel.web import Validators, WebFile, WebReader
from agnes.marketplace import assets
from agnes.marketplace.assets import COVER, DOCUMENT, Asset, NotTaken
from agnes.marketplace.limits import (
    MAX_ASSET_BYTES,
    MAX_ASSETS_BYTES,
    MAX_COVER_BYTES,
    MAX_MIRRORED,
    MIRROR_FRESH,
    MIRROR_PARALLEL,
    MIRROR_SECONDS,
)

if TYPE_CHECKING:
    from agnes.marketplace.metadata import Wanted

_ACCEPT = {
    COVER: "image/png, image/jpeg, image/webp",
    DOCUMENT: "application/pdf, text/markdown, text/plain, application/octet-stream",
}
_EXTENSIONS = {"application/pdf": "pdf", "text/markdown": "md", "text/x-markdown": "md", "text/plain": "txt"}


@dataclass(frozen=True, slots=True)
class Copy:
    """What is known of one URL of one plugin."""

    marketplace_id: str
    plugin_name: str
    kind: str
    url: str
    sha256: str | None
    asset_key: str
    content_type: str
    filename: str
    size_bytes: int
    etag: str
    last_modified: str
    checked_at: datetime
    problem: str | None

    def shows_as(self, other: Copy) -> bool:
        """Whether a page would say the same of both."""
        return all(
            getattr(self, name) == getattr(other, name)
            for name in ("sha256", "asset_key", "content_type", "filename", "problem")
        )

    @property
    def warning(self) -> str | None:
        if self.problem is None:
            return None
        verdict = "the last good copy stays" if self.sha256 else "not mirrored"
        return f"{self.plugin_name}: {self.url}: {verdict}: {self.problem}"

    @property
    def asset(self) -> Asset | None:
        """The good copy, without its bytes."""
        if self.sha256 is None:
            return None
        return Asset(self.asset_key, self.content_type, self.filename, self.sha256, self.size_bytes)


@dataclass
class Mirror:
    """The copies of one sync. `known` are those of the last one, `left` tells the seconds that are left."""

    web: WebReader
    store: ObjectStore
    marketplace_id: str
    known: Iterable[Copy]
    left: Callable[[], float]
    now: datetime

    def __post_init__(self) -> None:
        self._known = {(c.plugin_name, c.kind, c.url): c for c in self.known}
        self.copies: dict[tuple[str, str, str], Copy] = {}
        self._bytes_left = MAX_ASSETS_BYTES
        self._lock = Lock()

    def fetch(self, wanted: Mapping[str, Iterable[Wanted]]) -> None:
        """Bring the copies of these (plugin → what its page names) up to their servers; others are forgotten."""
        by_url: dict[tuple[str, str], list[str]] = {}
        for plugin, found in wanted.items():
            for want in found:
                by_url.setdefault((want.kind, want.url), []).append(plugin)
        taken, beyond = dict(list(by_url.items())[:MAX_MIRRORED]), list(by_url.items())[MAX_MIRRORED:]
        named = {(plugin, kind, url) for (kind, url), plugins in taken.items() for plugin in plugins}
        self.copies = {key: copy for key, copy in self.copies.items() if key in named}
        missing = {(kind, url) for plugin, kind, url in named - self.copies.keys()}
        self._ask({key: plugins for key, plugins in taken.items() if key in missing})
        for (kind, url), plugins in beyond:
            reason = f"more than {MAX_MIRRORED} URLs are mirrored of no marketplace"
            self._take([self._without(plugin, kind, url, reason) for plugin in plugins])

    def refresh(self) -> int:
        """Bring the known copies up to their servers, those that are fresh excepted; how many were asked about."""
        by_url: dict[tuple[str, str], list[str]] = {}
        for copy in self._known.values():
            by_url.setdefault((copy.kind, copy.url), []).append(copy.plugin_name)
        checked = {(copy.kind, copy.url): copy.checked_at for copy in self._known.values()}
        due = {key: plugins for key, plugins in by_url.items() if checked[key] <= self.now - MIRROR_FRESH}
        self._take(copy for copy in self._known.values() if (copy.kind, copy.url) not in due)
        self._ask(due)
        return len(due)

    @property
    def is_same(self) -> bool:
        """Whether all that was known shows as it did."""
        return self.copies.keys() == self._known.keys() and all(
            copy.shows_as(self._known[key]) for key, copy in self.copies.items()
        )

    def _ask(self, by_url: Mapping[tuple[str, str], list[str]]) -> None:
        if not by_url:
            return
        with ThreadPoolExecutor(MIRROR_PARALLEL, thread_name_prefix="mirror") as pool:
            for copies in pool.map(lambda item: self._copies(item[0][0], item[0][1], item[1]), by_url.items()):
                self._take(copies)

    def asset(self, plugin: str, kind: str, url: str) -> tuple[Asset, str]:
        """(the good copy, why it may be old). Raises NotTaken where there is none."""
        copy = self.copies.get((plugin, kind, url))
        if copy is None or copy.asset is None:
            raise NotTaken((copy.problem if copy else None) or "it was not fetched")
        return copy.asset, copy.problem or ""

    def _take(self, copies: Iterable[Copy]) -> None:
        self.copies.update({(c.plugin_name, c.kind, c.url): c for c in copies})

    def _copies(self, kind: str, url: str, plugins: list[str]) -> list[Copy]:
        """Of one URL, for every plugin that names it; fetched once."""
        good = next((c for c in self._known.values() if (c.kind, c.url) == (kind, url) and c.sha256), None)
        try:
            asset, validators = self._fetched(kind, url, good)
        except NotTaken as exc:
            return [self._without(plugin, kind, url, str(exc)) for plugin in plugins]
        except UnavailableError as exc:
            return [self._kept(plugin, kind, url, exc.message) for plugin in plugins]
        except AgnesError as exc:
            return [self._without(plugin, kind, url, exc.message) for plugin in plugins]
        return [
            Copy(
                self.marketplace_id, plugin, kind, url, asset.sha256, asset.key, asset.content_type, asset.filename,
                asset.size_bytes, validators.etag, validators.last_modified, self.now, None,
            )
            for plugin in plugins
        ]  # fmt: skip

    def _fetched(self, kind: str, url: str, good: Copy | None) -> tuple[Asset, Validators]:
        """The newest copy, stored. Raises NotTaken and the family of `agnes.kernel.web`."""
        held = self._held(good) if good else None
        seconds = min(MIRROR_SECONDS, self.left())
        if seconds <= 0:
            raise UnavailableError("no time was left to fetch it")
        file = self.web.fetch(
            url,
            seconds=seconds,
            max_bytes=MAX_COVER_BYTES if kind == COVER else MAX_ASSET_BYTES,
            known=Validators(good.etag, good.last_modified) if good and held else None,
            accept=_ACCEPT[kind],
        )
        if file is None:  # as it was
            if good is None or held is None:
                raise UnavailableError("the server says that a copy is new which we do not have")
            return held, Validators(good.etag, good.last_modified)
        asset = judged(kind, url, file)
        with self._lock:
            self._bytes_left -= asset.size_bytes
            if self._bytes_left < 0:
                raise NotTaken(f"the files of one marketplace are larger than {MAX_ASSETS_BYTES} bytes together")
        assets.put(self.store, asset)
        return asset, file.validators

    def _held(self, good: Copy) -> Asset | None:
        """The good copy if its bytes are there and are the right ones: only of such may a server say "not modified"."""
        blob = self.store.read(f"{assets.PREFIX}{good.sha256}")
        if blob is not None and hashlib.sha256(blob.body).hexdigest() == good.sha256:
            return good.asset
        return None

    def _kept(self, plugin: str, kind: str, url: str, reason: str) -> Copy:
        before = self._known.get((plugin, kind, url))
        if before is None:
            return self._without(plugin, kind, url, reason)
        return replace(before, checked_at=self.now, problem=reason)

    def _without(self, plugin: str, kind: str, url: str, reason: str) -> Copy:
        return Copy(self.marketplace_id, plugin, kind, url, None, "", "", "", 0, "", "", self.now, reason)


def judged(kind: str, url: str, file: WebFile) -> Asset:
    """A fetched file as an asset: the server's word and the first bytes must both be of a kind that we show.

    Raises NotTaken.
    """
    name = unquote(urlsplit(url).path.rpartition("/")[2])[:64]
    shown = "".join(c for c in file.content_type if c.isprintable())[:60] or "no type"
    if kind == COVER:
        if file.content_type not in ("image/png", "image/jpeg", "image/webp"):
            raise NotTaken(f"the server says that it is {shown}, not a PNG, JPEG or WebP picture")
        return assets.image(name, file.body)
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    if file.content_type == "application/octet-stream" and extension in assets.DOCUMENT_EXTENSIONS:
        return assets.document(name, file.body)
    known = _EXTENSIONS.get(file.content_type)
    if known is None:
        raise NotTaken(f"the server says that it is {shown}, not a PDF, Markdown or plain text")
    if known == "txt" and extension in ("md", "markdown"):  # many servers know no text but plain text
        known = extension
    stem = name.rpartition(".")[0] if extension in assets.DOCUMENT_EXTENSIONS else name
    return assets.document(f"{stem or 'document'}.{known}", file.body)


# SQL ------------------------------------------------------------------------------------------

_COLUMNS = ", ".join(f.name for f in fields(Copy))


def copies(db: Db, marketplace_id: str) -> list[Copy]:
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM marketplace.mirrored WHERE marketplace_id = ? ORDER BY plugin_name, kind, url",  # noqa: S608 (our own column names)
        [marketplace_id],
    ).fetchall()
    return [Copy(*row) for row in rows]


def write(db: Db, marketplace_id: str, found: Iterable[Copy]) -> None:
    """These are the marketplace's copies now; what no page names any more is forgotten."""
    db.execute("DELETE FROM marketplace.mirrored WHERE marketplace_id = ?", [marketplace_id])
    rows = [astuple(copy) for copy in found]
    if rows:
        marks = ", ".join("?" for _ in fields(Copy))
        values = ", ".join(f"({marks})" for _ in rows)
        db.execute(f"INSERT INTO marketplace.mirrored ({_COLUMNS}) VALUES {values}", [v for row in rows for v in row])  # noqa: S608
