"""Adapters of sources of data tables: databases through ADBC drivers, files by HTTPS and from this installation's own store."""

from __future__ import annotations

import socket
from contextlib import AbstractContextManager
from pathlib import Path

from agnes.kernel.ports import ObjectStore
from agnes.kernel.table_sources import Extract, Fetched, Place, SourceFailed
from agnes.kernel.web import WebReader
from agnes.outside.egress import Resolve


class OutsideSources:
    """A `TableSources`. Drivers are imported when a source of their kind is asked."""

    def __init__(
        self, *, allow: frozenset[str], web: WebReader, store: ObjectStore, resolve: Resolve = socket.getaddrinfo
    ) -> None:
        """`allow` holds `private` if databases may be at private addresses."""
        self._allow_private = "private" in allow
        self._web = web
        self._store = store
        self._resolve = resolve

    def query(self, place: Place, sql: str, *, seconds: float) -> AbstractContextManager[Extract]:
        from agnes.outside.table_sources import adbc

        if place.type == "postgresql":
            return adbc.postgresql(
                place, sql, seconds=seconds, allow_private=self._allow_private, resolve=self._resolve
            )
        if place.type == "sqlite":
            return adbc.sqlite(place, sql, store=self._store)
        raise SourceFailed(f"a source of type {place.type} is not asked in SQL")

    def fetch(self, place: Place, path: str, folder: Path, *, seconds: float) -> Fetched:
        if place.type != "files":
            raise SourceFailed(f"a source of type {place.type} hands out no files")
        from agnes.outside.table_sources import files

        return files.fetch(self._web, self._store, place, path, folder, seconds=seconds)
