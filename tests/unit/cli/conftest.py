"""A house behind a socket, an analyst signed in to it, and their laptop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agnes.kernel.ports import Secret
from agnes.outside.object_store.folder import FolderStore
from tests.builders.house import START, House
from tests.builders.house_server import HouseServer
from tests.builders.people import PASSWORD, Person, add_person, seed_admin

EMAIL = "mira@example.com"


@dataclass
class Laptop:
    """`agnes` as a subprocess with a home and a workspace of its own."""

    home: Path
    workspace: Path
    server: str

    @property
    def claude(self) -> Path:
        return self.workspace / ".claude"

    def agnes(self, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return subprocess.run(
            [sys.executable, "-m", "agnes_cli", *arguments],
            cwd=self.workspace,
            env={**kept, "HOME": str(self.home), "AGNES_SERVER": self.server, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def push(self, *arguments: str) -> dict[str, Any]:
        return json.loads(self.agnes("push", "--json", *arguments).stdout)

    def transcript(self, session_id: str, body: bytes) -> Path:
        """Where Claude Code writes the session of this workspace."""
        encoded = "".join(c if c.isalnum() else "-" for c in str(self.workspace.resolve()))
        path = self.home / ".claude" / "projects" / encoded / f"{session_id}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return path

    def capture(self, session_id: str, path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        hook = json.dumps({"session_id": session_id, "transcript_path": str(path), "hook_event_name": "SessionStart"})
        return self.agnes("capture-session", *arguments, stdin=hook)

    def file(self, name: str) -> str:
        path = self.claude / name
        return path.read_text() if path.exists() else ""


@dataclass
class Office:
    house: House
    server: HouseServer
    admin: Person
    mira: Person
    laptop: Laptop

    def sign_in(self) -> None:
        made = self.house.post("/auth/tokens", token=self.mira.token, json_body={"name": "laptop"}).json()["token"]
        done = self.laptop.agnes("login", "--token-stdin", stdin=made + "\n")
        assert done.returncode == 0, done.stderr

    def stored(self, session_id: str) -> list[str]:
        prefix = f"sessions/{self.mira.id}/{session_id}/"
        return [entry.key.removeprefix(prefix) for entry in self.house.store.list(prefix)]


@pytest.fixture
def office(tmp_path):
    from agnes.kernel.clock import FixedClock

    clock = FixedClock(START)
    store = FolderStore(tmp_path / "store", secret=Secret("s" * 32), base_url="http://to-be-set", clock=clock)
    with House(tmp_path / "house", store=store, clock=clock) as house, HouseServer(house) as server:
        store._signer = type(store._signer)(store._signer.secret, server.url)
        admin = seed_admin(house)
        mira = add_person(house, admin, EMAIL)
        laptop = Laptop(tmp_path / "home", tmp_path / "ws", server.url)
        laptop.home.mkdir()
        laptop.workspace.mkdir()
        yield Office(house, server, admin, mira, laptop)


@pytest.fixture
def signed_in(office):
    office.sign_in()
    return office


__all__ = ["EMAIL", "PASSWORD"]
