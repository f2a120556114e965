"""Composing a view: from offers and stored trees to a catalog, a root tree and a commit. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from agnes.feed.model import Offer, OwnObject, View, ViewPlugin
from agnes.trees import git_objects as git
from agnes.trees.model import Tree

MARKETPLACE_NAME = "agnes"
CATALOG = ".claude-plugin/marketplace.json"
FEED_FORMAT = 1
"""Raised when the served form changes, so that everybody fetches again."""

AUTHOR = "agnes-marketplace <noreply@agnes.local>"


def folder(name: str) -> str:
    """Where a plugin stands in the feed. Names are unique within a view, so they name the folders."""
    return f"plugins/{name}"


OURS = ("name", "source", "version", "dependencies", "optionalDependencies")
"""Keys of an entry that are not served as they came. What a plugin needs is in its plugin.json, where Claude Code checks
it; of two entries that need each other it would install neither."""


def catalog(offers: Sequence[Offer], renames: Mapping[str, str | None] = MappingProxyType({})) -> bytes:
    """marketplace.json: the upstream entries with our name, source and version, and what was renamed.

    Claude Code wants `source` to begin with `./`, and the name to equal plugin.json's.
    """
    entries = []
    for offer in offers:
        kept = {key: value for key, value in offer.entry.items() if key not in OURS}
        if offer.description:
            kept["description"] = offer.description
        entries.append({"name": offer.name, "source": f"./{folder(offer.name)}", "version": offer.version, **kept})
    document = {
        "name": MARKETPLACE_NAME,
        "owner": {"name": "Agnes"},
        "metadata": {"description": "The plugins that your organisation shares with you."},
        **({"renames": dict(sorted(renames.items()))} if renames else {}),
        "plugins": entries,
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def compose(
    offers: Sequence[Offer], trees: Sequence[Tree], renames: Mapping[str, str | None] = MappingProxyType({})
) -> View:
    """The view of `offers`, whose stored trees are `trees` in the same order.

    Same offers, same bytes, same commit: nothing of the person or of the time goes in.
    """
    own: list[OwnObject] = []

    def add(kind: int, content: bytes) -> str:
        oid = git.object_id(kind, content)
        own.append(OwnObject(oid, git.pack_entry(kind, content)))
        return oid

    document = catalog(offers, renames)
    manifest_folder = add(git.TREE, git.tree_content([(git.MODE_FILE, "marketplace.json", add(git.BLOB, document))]))
    root = [(git.MODE_TREE, ".claude-plugin", manifest_folder)]
    if offers:
        entries = [(git.MODE_TREE, offer.name, tree.git_oid) for offer, tree in zip(offers, trees, strict=True)]
        root.append((git.MODE_TREE, "plugins", add(git.TREE, git.tree_content(entries))))
    message = f"The plugins that you are served ({FEED_FORMAT})"
    commit = add(
        git.COMMIT, git.commit_content(tree=add(git.TREE, git.tree_content(root)), message=message, author=AUTHOR)
    )
    plugins = tuple(
        ViewPlugin(offer.source, offer.origin, offer.name, offer.version, tree.id, tree.git_oid)
        for offer, tree in zip(offers, trees, strict=True)
    )
    return View(commit, plugins, document, tuple(own))
