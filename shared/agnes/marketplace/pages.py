"""The curator's words and files for the pages, read from a commit during a sync."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agnes.kernel.git import EXECUTABLE, FILE, GROUP_WRITABLE, GitDamaged, GitSnapshot
from agnes.kernel.ports import ObjectStore
from agnes.marketplace import assets, metadata
from agnes.marketplace.assets import Asset
from agnes.marketplace.limits import MAX_ASSET_BYTES, MAX_ASSETS_BYTES, MAX_METADATA_BYTES
from agnes.marketplace.mirror import Mirror
from agnes.marketplace.model import Plugin


@dataclass
class Pages:
    store: ObjectStore
    marketplace_id: str
    snapshot: GitSnapshot
    given: dict[str, Any]
    warnings: list[str]
    mirror: Mirror
    stored: set[str] = field(default_factory=set)
    """SHA-256 of files that need not be stored again."""
    left: int = MAX_ASSETS_BYTES

    @classmethod
    def of(
        cls, mirror: Mirror, snapshot: GitSnapshot, known: Mapping[str, Plugin], damaged: Collection[str] = ()
    ) -> Pages:
        """`damaged` are digests of files that are stored again though a page names them already."""
        body = _file(snapshot, metadata.METADATA, MAX_METADATA_BYTES + 1)
        given, warnings = metadata.read(body) if body is not None else ({}, [])
        stored = assets.named(plugin.metadata for plugin in known.values()).keys() - set(damaged)
        return cls(mirror.store, mirror.marketplace_id, snapshot, given, warnings, mirror, stored)

    def fetch(self, names: Iterable[str]) -> None:
        """Bring the copies of what these plugins' pages name of other servers up to date."""
        self.mirror.fetch({name: metadata.wanted(self.given[name]) for name in names if name in self.given})

    def of_plugin(self, name: str) -> tuple[dict[str, Any] | None, list[str]]:
        """(what is shown, warnings); its files are stored on return."""
        if name not in self.given:
            return None, []

        def mirrored(kind: str, url: str) -> tuple[Asset, str]:
            return self.mirror.asset(name, kind, url)

        shown, page = metadata.of_plugin(self.marketplace_id, name, self.given[name], self._find, mirrored)
        for asset in page.assets.values():
            if asset.sha256 not in self.stored:
                assets.put(self.store, asset)
                self.stored.add(asset.sha256)
        return shown or None, page.warnings

    def _find(self, path: str) -> bytes | None:
        body = _file(self.snapshot, path, min(MAX_ASSET_BYTES, self.left))
        self.left -= len(body or b"")
        return body


def _file(snapshot: GitSnapshot, path: str, most: int) -> bytes | None:
    """A plain file of at most so many bytes; symbolic links and anything else are none."""
    try:
        entry = snapshot.entry(path)
        if entry is None or entry.mode not in (FILE, GROUP_WRITABLE, EXECUTABLE) or entry.size_bytes > most:
            return None
        return snapshot.read(entry.oid)
    except GitDamaged:
        return None
