"""What a view holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Offer:
    """One plugin version that a person may have, before names are compared.

    Offers come in order of precedence: curated by registration and name, then flea.
    """

    source: str
    """`curated` or `flea`."""
    origin: str
    """The marketplace's slug, or the owner of a flea plugin."""
    name: str
    """The catalog's name and the prefix of every invocation."""
    version: str
    tree_id: str
    description: str
    entry: dict[str, Any]
    """The upstream catalog entry."""
    required_by: tuple[str, ...] = ()
    """Names of what is served and needs it; not part of the view."""
    is_own: bool = True
    """False if it is served because of `required_by` alone; not part of the view."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """An offer that is not served, and why: shown in `/marketplace/info`."""

    source: str
    origin: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class ViewPlugin:
    source: str
    origin: str
    name: str
    version: str
    tree_id: str
    git_oid: str


@dataclass(frozen=True, slots=True)
class OwnObject:
    """A git object of the view itself: the commit, the catalog, the folders above the plugins."""

    oid: str
    entry: bytes
    """As it stands in a pack."""


@dataclass(frozen=True, slots=True)
class View:
    commit: str
    """Git commit id, 40 hexadecimal digits: the view's identity."""
    plugins: tuple[ViewPlugin, ...]
    catalog: bytes
    """`.claude-plugin/marketplace.json` as served."""
    objects: tuple[OwnObject, ...]
