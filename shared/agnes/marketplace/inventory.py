"""What the client loads of a plugin: its components by kind, under the names that the client writes, and what each of them runs.

The one implementation of the client's discovery rules (`agnes.claude_code.components` says where each kind is found). It reads
the served form of a plugin: plugin.json is there, and what only the catalog's entry declares stands in one of the two
(`agnes.trees.packaging`). Pages, the API, the review and telemetry's names all come from here.

Nothing here fails: what the client would not load is left out with a warning. Names are those of the newest client; where the
oldest one writes another, it is found by the declared name (`agnes.telemetry.extraction.served`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agnes.marketplace.finding.model import Component, Document, Inventory
from agnes.marketplace.finding.others import Others
from agnes.marketplace.finding.servers import Servers
from agnes.marketplace.finding.texts import Texts

__all__ = ["Component", "Document", "Inventory", "of_plugin"]


def of_plugin(files: Mapping[str, bytes], entry: Mapping[str, Any] | None = None) -> Inventory:
    """Of a plugin's served files by path and its catalog entry."""
    return _Whole(files, entry or {}).inventory()


class _Whole(Texts, Servers, Others):
    def inventory(self) -> Inventory:
        self.skills()
        self.agents()
        self.commands()
        self.workflows()
        self.output_styles()
        self.hooks()
        self.mcp_servers()
        self.lsp_servers()
        self.monitors()
        self.declared()
        self.programs()
        self.packages()
        self.settings()
        self.themes()
        return self.found
