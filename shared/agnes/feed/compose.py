"""Composing a view: from offers and stored trees to a catalog, a root tree and a commit. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from agnes.feed.model import Hidden, Offer, OwnObject, View, ViewPlugin
from agnes.stack.model import Claim, outdone
from agnes.trees import git_objects as git
from agnes.trees.model import Tree

MARKETPLACE_NAME = "agnes"
CATALOG = ".claude-plugin/marketplace.json"
FEED_FORMAT = 1
"""Raised when the served form changes, so that everybody fetches again."""

AUTHOR = "agnes-marketplace <noreply@agnes.local>"


def settle_names(offers: Sequence[Offer]) -> tuple[list[Offer], list[Hidden]]:
    """The offers that are served, and those that lose their name to one before them."""
    reasons = outdone(Claim(offer.source, offer.origin, offer.name) for offer in offers)
    judged = list(zip(offers, reasons, strict=True))
    return (
        [offer for offer, reason in judged if not reason],
        [Hidden(offer.source, offer.origin, offer.name, reason) for offer, reason in judged if reason],
    )


def folder(name: str) -> str:
    """Where a plugin stands in the feed. Names are unique within a view, so they name the folders."""
    return f"plugins/{name}"


def catalog(offers: Sequence[Offer]) -> bytes:
    """marketplace.json: the upstream entries with our name, source and version.

    Claude Code wants `source` to begin with `./`, and the name to equal plugin.json's (spec/01 §8).
    """
    entries = []
    for offer in offers:
        kept = {key: value for key, value in offer.entry.items() if key not in ("name", "source", "version")}
        if offer.description:
            kept["description"] = offer.description
        entries.append({"name": offer.name, "source": f"./{folder(offer.name)}", "version": offer.version, **kept})
    document = {
        "name": MARKETPLACE_NAME,
        "owner": {"name": "Agnes"},
        "metadata": {"description": "The plugins that your organisation shares with you."},
        "plugins": entries,
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def compose(offers: Sequence[Offer], trees: Sequence[Tree]) -> View:
    """The view of `offers`, whose stored trees are `trees` in the same order.

    Same offers, same bytes, same commit: nothing of the person or of the time goes in.
    """
    own: list[OwnObject] = []

    def add(kind: int, content: bytes) -> str:
        oid = git.object_id(kind, content)
        own.append(OwnObject(oid, git.pack_entry(kind, content)))
        return oid

    document = catalog(offers)
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
