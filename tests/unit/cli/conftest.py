"""A house behind a socket, an analyst signed in to it, and their laptop; and the same with a marketplace."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agnes.kernel.ports import Secret
from agnes.outside.object_store.folder import FolderStore
from tests.builders.acme_team import ENVIRON, Team
from tests.builders.beginnings import begun
from tests.builders.command_server import command_server
from tests.builders.house import START, House
from tests.builders.house_server import HouseServer
from tests.builders.patience import PATIENCE_SECONDS
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
        env = {**kept, "HOME": str(self.home), "AGNES_SERVER": self.server, **environment}
        return command_server().run(arguments, cwd=self.workspace, env=env, stdin=stdin, timeout=PATIENCE_SECONDS)

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


def _staff(house: House) -> tuple[Person, Person]:
    admin = seed_admin(house)
    return admin, add_person(house, admin, EMAIL)


@contextmanager
def opened_office(folder: Path, **environ: str) -> Iterator[Office]:
    """Settings of the server besides those of every test are in `environ`."""
    from agnes.kernel.clock import FixedClock

    clock = FixedClock(START)
    store = FolderStore(folder / "store", secret=Secret("s" * 32), base_url="http://to-be-set", clock=clock)
    with House(folder / "house", store=store, clock=clock, environ=environ) as house, HouseServer(house) as server:
        store._signer = type(store._signer)(store._signer.keys, server.url)
        admin, mira = begun(house, _staff)
        laptop = Laptop(folder / "home", folder / "ws", server.url)
        laptop.home.mkdir()
        laptop.workspace.mkdir()
        yield Office(house, server, admin, mira, laptop)


@pytest.fixture
def office(tmp_path):
    with opened_office(tmp_path) as office:
        yield office


@dataclass
class Shop:
    """Acme with its marketplace, and the laptops of Ada, who is an admin, and of Bob, who is in Finance.

    No laptop has Claude Code; with `git=False` none has git either.
    """

    team: Team
    server: HouseServer
    folder: Path

    def token(self, who: str) -> str:
        made = self.team.house.post("/auth/tokens", token=self.team.tokens[who], json_body={"name": "laptop"})
        return made.json()["token"]

    def laptop(self, who: str, *, git: bool = True) -> ToolLaptop:
        place = self.folder / who
        tools = place / "bin"
        for folder in (place / "home", place / "ws", tools):
            folder.mkdir(parents=True)
        if git:
            (tools / "git").symlink_to(shutil.which("git"))
        laptop = ToolLaptop(place / "home", place / "ws", self.server.url, tools)
        done = laptop.agnes("login", "--token-stdin", stdin=self.token(who) + "\n")
        assert done.returncode == 0, done.stderr
        return laptop

    def stock(self, *plugins: str) -> None:
        """Grant these to Finance and put them into Bob's stack."""
        for plugin in plugins:
            self.team.grant(plugin)
            assert self.team.install("bob", plugin).status == 200


@dataclass
class ToolLaptop(Laptop):
    """A laptop on whose PATH is `tools` alone."""

    tools: Path

    def agnes(self, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return super().agnes(*arguments, stdin=stdin, **{"PATH": str(self.tools), **environment})

    def json(self, *arguments: str) -> Any:
        done = self.agnes(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @property
    def copy(self) -> Path:
        return self.home / ".agnes" / "marketplace"

    def files(self) -> dict[str, bytes]:
        return {p.relative_to(self.copy).as_posix(): p.read_bytes() for p in self.copy.rglob("*") if p.is_file()}


@contextmanager
def opened_shop(folder: Path) -> Iterator[Shop]:
    from agnes.kernel.clock import FixedClock

    clock = FixedClock(START)
    store = FolderStore(folder / "store", secret=Secret("s" * 32), base_url="http://to-be-set", clock=clock)
    with House(folder / "house", store=store, clock=clock, environ=ENVIRON) as house, HouseServer(house) as server:
        store._signer = type(store._signer)(store._signer.keys, server.url)
        yield Shop(Team(house, folder, registered=True), server, folder)


@pytest.fixture
def shop(tmp_path):
    with opened_shop(tmp_path) as shop:
        yield shop


@pytest.fixture(scope="module")
def open_shop(tmp_path_factory):
    """One for all tests of a module that leave it as it was; signing three people in costs a second. Finance was granted two plugins."""
    with opened_shop(tmp_path_factory.mktemp("shop")) as shop:
        shop.team.grant("finops")
        shop.team.grant("chartkit")
        yield shop


@pytest.fixture
def signed_in(office):
    office.sign_in()
    return office


__all__ = ["EMAIL", "PASSWORD"]
