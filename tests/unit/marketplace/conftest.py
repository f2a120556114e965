"""A workshop for syncs: real state files over a memory store, real git over folders."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agnes.kernel.clock import FixedClock
from agnes.kernel.ports import Message
from agnes.kernel.principal import Principal
from agnes.marketplace import service
from agnes.marketplace.model import Marketplace, NewMarketplace, Plugin, SyncReport
from agnes.marketplace.sync import Syncing, sync
from agnes.outside.git import DulwichGit
from agnes.outside.object_store.memory import MemoryStore
from agnes.outside.secrets_file import SecretsFile
from agnes.outside.web import SafeWeb
from agnes.settings import load
from agnes.wiring import Wiring

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ADMIN = Principal("u-admin", "ada@example.com", "Ada", frozenset({"admin", "everyone"}), is_admin=True)
ALLOW = frozenset({"file", "http", "private"})


@dataclass
class Workshop:
    folder: Path
    tools: Syncing
    clock: FixedClock
    sent: list[Message] = field(default_factory=list)

    def send(self, messages: Any) -> None:
        """The `Queue` port, as a list."""
        self.sent += messages

    @property
    def state(self) -> Any:
        return self.tools.state

    @property
    def secrets(self) -> SecretsFile:
        return self.tools.secrets

    def register(self, url: str, slug: str = "acme", **given: Any) -> Marketplace:
        words = {"name": slug.title(), "curator_name": "Cora", "curator_email": "cora@example.com"} | given
        wanted = NewMarketplace(slug=slug, url=url, **words)
        return service.register(self.state, ADMIN, wanted, secrets=self.secrets, clock=self.clock, allow=ALLOW)

    def sync(self, slug: str = "acme", *, hours: float = 1, **given: Any) -> SyncReport:
        """Sync an hour later."""
        self.clock.sleep(hours * 3600)
        return sync(self.tools, slug, **given)

    def marketplace(self, slug: str = "acme") -> Marketplace:
        with self.state.read("marketplace") as db:
            return service.get_marketplace(db, slug)

    def plugins(self, slug: str = "acme") -> dict[str, Plugin]:
        with self.state.read("marketplace") as db:
            return {p.name: p for p in service.plugins(db, slug)}

    def rows(self, sql: str, *files: str) -> list[tuple]:
        with self.state.read(*(files or ("marketplace",))) as db:
            return db.execute(sql).fetchall()


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return workshop_over(tmp_path, MemoryStore(), FixedClock(START))


def workshop_over(tmp_path: Path, store: MemoryStore, clock: FixedClock) -> Workshop:
    settings = load({"AGNES_DATA_DIR": str(tmp_path / "data")})
    state = Wiring(settings, store=store, clock=clock).state
    tools = Syncing(
        state, store, DulwichGit(allow=ALLOW), SecretsFile(tmp_path / "secrets.json"), clock, SafeWeb(allow=ALLOW)
    )
    return Workshop(tmp_path, tools, clock)
