"""What was found in a plugin."""

from __future__ import annotations

from dataclasses import dataclass, field

from agnes.marketplace import front_matter
from agnes.marketplace.model import Item


@dataclass(frozen=True, slots=True)
class Component:
    kind: str
    """A kind of `agnes.claude_code.components`."""
    name: str
    """As the client writes it behind `plugin:`; a hook's is its event."""
    path: str
    """Of the file that declares it."""
    declared_name: str | None = None
    """The front matter's."""
    description: str = ""
    detail: str | None = None
    """A hook's event, a server's transport, what a monitor runs, and so on."""
    lines: tuple[str, ...] = ()
    """What it runs or whom it asks, for the review; for texts what stands before the model in every session."""

    def item(self) -> Item:
        return Item(self.kind, self.name, self.declared_name, self.description, self.path, self.detail)


@dataclass(frozen=True, slots=True)
class Document:
    """A text that the client gives the model, with what it allows itself."""

    path: str
    tools: tuple[str, ...]
    """What it may use without a question, as written."""


@dataclass(slots=True)
class Inventory:
    components: list[Component] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    heads: dict[str, front_matter.Head] = field(default_factory=dict)
    """Skills, commands, agents and output styles as they were read, by path."""
    refused: str = ""
    """Why the newest client does not load the plugin at all: a hook that may guard its permissions cannot be loaded."""

    def items(self) -> list[Item]:
        """Rows for pages, the API and telemetry."""
        return [component.item() for component in self.components]
