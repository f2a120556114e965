"""The zip of a view: built when it is first asked for, and compared with its receipt before it is handed out.

feed/zips/<commit>.zip
feed/zips/<commit>.json    the receipt, with a digest of its own; a zip without one is built again
"""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections.abc import Sequence
from datetime import datetime

import msgspec

from agnes.feed import compose, zip_archive
from agnes.feed.limits import MAX_ZIP_READ_BYTES, REFRESH
from agnes.feed.model import View, ViewPlugin
from agnes.kernel import sealed
from agnes.kernel.immutable import ImmutableCache
from agnes.kernel.ports import ANYTHING, DOWNLOAD_URL_SECONDS, ObjectStore
from agnes.trees import service as trees
from agnes.trees.damage import TreeDamaged
from agnes.trees.model import Tree

log = logging.getLogger("agnes.feed")

ZIPS = "feed/zips/"


class Receipt(msgspec.Struct, frozen=True):
    """What was written as a zip."""

    size_bytes: int
    sha256: str


def url(store: ObjectStore, view: View, *, now: datetime) -> str:
    """A URL of the view's zip, good for DOWNLOAD_URL_SECONDS. Raises TreeDamaged.

    That a whole zip is there is believed for an hour at most, and an old one is written anew: pruning
    takes none that was handed out.
    """
    key = f"{ZIPS}{view.commit}.zip"
    this_hour = f"{key} {now:%Y-%m-%d %H}"
    if _zips.get(store, this_hour) is None:
        if not _is_whole(store, view.commit, young_after=now - REFRESH):
            _write(store, view)
        _zips.put(store, this_hour, True)
    return store.presign_get(
        key, seconds=DOWNLOAD_URL_SECONDS, filename="agnes-marketplace.zip", content_type="application/zip"
    )


def _write(store: ObjectStore, view: View) -> None:
    key, receipt_key = f"{ZIPS}{view.commit}.zip", f"{ZIPS}{view.commit}.json"
    body = build(store, view)
    receipt = msgspec.json.encode(Receipt(len(body), hashlib.sha256(body).hexdigest()))
    store.write(key, body, expect=ANYTHING, content_type="application/zip")
    # After it: a receipt without its zip, or with another one's, is a zip that is written again.
    body = sealed.seal(receipt_key, receipt)
    store.write(receipt_key, body, expect=ANYTHING, content_type="application/json")


def _is_whole(store: ObjectStore, commit: str, *, young_after: datetime) -> bool:
    """Whether a zip can be handed out: young enough, and what its receipt says."""
    key = f"{ZIPS}{commit}.zip"
    listed = {entry.key: entry for entry in store.list(f"{ZIPS}{commit}.")}
    found = listed.get(key)
    if found is None or found.modified_at < young_after:
        return False
    receipt = receipt_of(store, commit)
    if receipt is None:
        return False
    body = None
    if receipt.size_bytes == found.size_bytes:
        if found.size_bytes > MAX_ZIP_READ_BYTES:
            return True
        blob = store.read(key)
        body = blob.body if blob is not None else b""
        if hashlib.sha256(body).hexdigest() == receipt.sha256:
            return True
    log.error("%s is damaged; it is made again", key, extra={"key": key})
    if body:
        sealed.put_away(store, key, body, remove=False)
    return False


def receipt_of(store: ObjectStore, commit: str) -> Receipt | None:
    """None if there is none, as of a zip that an earlier release wrote, or a damaged one."""
    key = f"{ZIPS}{commit}.json"
    blob = store.read(key)
    try:
        return msgspec.json.decode(sealed.opened(key, blob.body), type=Receipt) if blob is not None else None
    except (msgspec.DecodeError, sealed.Unsealed):
        log.exception("%s is damaged; the zip is made again", key, extra={"key": key})
        return None


def contents(store: ObjectStore, plugins: Sequence[ViewPlugin]) -> list[tuple[Tree, bytes]]:
    """Raises a TreeDamaged that names all of them that are damaged."""
    found: list[tuple[Tree, bytes]] = []
    damaged: dict[str, str] = {}
    for plugin in plugins:
        try:
            found.append((trees.get(store, plugin.tree_id), trees.read_pack(store, plugin.tree_id)))
        except TreeDamaged as exc:
            damaged |= exc.found
    if damaged:
        raise TreeDamaged(damaged)
    return found


def build(store: ObjectStore, view: View) -> bytes:
    """The view as an archive: the catalog, `.agnes/version.json`, and every plugin's files. Raises TreeDamaged."""
    version = msgspec.json.encode({"marketplace": compose.MARKETPLACE_NAME, "version": view.commit})
    members = [_deflate(".agnes/version.json", version), _deflate(compose.CATALOG, view.catalog)]
    for plugin, (tree, pack) in zip(view.plugins, contents(store, view.plugins), strict=True):
        folder = compose.folder(plugin.name)
        members += [
            # A zlib stream without its header and checksum is the deflate stream of a zip.
            zip_archive.Member(
                f"{folder}/{file.path}",
                pack[file.offset + 2 : file.offset + file.length - 4],
                file.size_bytes,
                file.crc32,
                file.executable,
            )
            for file in tree.files
        ]
    return zip_archive.write(members)


def _deflate(path: str, body: bytes) -> zip_archive.Member:
    return zip_archive.Member(path, zlib.compress(body)[2:-4], len(body), zlib.crc32(body))


_zips = ImmutableCache(512)
