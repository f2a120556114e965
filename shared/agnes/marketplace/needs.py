"""Which plugin of which marketplace a dependency means.

A dependency names a catalog by what it calls itself, and marketplaces are registered under slugs. Where several have that
name, the declaring one is meant if it is among them, else the first that lists the plugin, by registration.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from agnes.claude_code.dependencies import Dependency
from agnes.kernel.state import Db
from agnes.marketplace import declared as declarations
from agnes.marketplace.declared import Declared
from agnes.marketplace.model import Need, resource_id


class Needs:
    """Resolves dependencies among the marketplaces that are registered now."""

    def __init__(self, catalogs: Iterable[tuple[str, str | None]], listed: Collection[str]) -> None:
        """`catalogs` are (slug, the catalog's own name) by registration, `listed` the resources that catalogs list."""
        self._listed = listed
        self._name_of: dict[str, str | None] = {}
        self._called: dict[str, list[str]] = defaultdict(list)
        for slug, name in catalogs:
            self._name_of[slug] = name
            if name is not None:
                self._called[name].append(slug)

    def of(self, marketplace_id: str, declared: Declared | None) -> tuple[Need, ...]:
        """What a plugin of a marketplace needs, by what its version declares."""
        if not declared or "dependencies" not in declared:
            return ()
        return tuple(self.need(marketplace_id, one) for one in declarations.read(declared).dependencies)

    def need(self, marketplace_id: str, dependency: Dependency) -> Need:
        name, wanted, catalog = dependency.name, dependency.range or "", dependency.marketplace
        if catalog is None or catalog == self._name_of.get(marketplace_id):
            return Need(resource_id(marketplace_id, name), name, marketplace_id, wanted)
        slugs = self._called.get(catalog) or ([catalog] if catalog in self._name_of else [])
        listing = [slug for slug in slugs if resource_id(slug, name) in self._listed]
        for slug in (listing or slugs)[:1]:
            return Need(resource_id(slug, name), name, slug, wanted)
        return Need("", name, catalog, wanted)


def needs(db: Db, names: Mapping[str, str | None] | None = None) -> Needs:
    """Of `db` it reads `marketplace` alone; `names` are of catalogs that were just read, by slug."""
    catalogs = db.execute("SELECT id, catalog_name FROM marketplace.registries ORDER BY registered_at, id").fetchall()
    listed = db.execute(
        "SELECT marketplace_id || '/' || name FROM marketplace.plugins WHERE removed_at IS NULL"
    ).fetchall()
    catalogs = [(slug, (names or {}).get(slug) or name) for slug, name in catalogs]
    return Needs(catalogs, {resource for (resource,) in listed})
