"""The one way out to foreign networks, for all who use it: what is judged, and the setting with its old names."""

from __future__ import annotations

import ast
import logging
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agnes.kernel.clock import FixedClock
from agnes.kernel.drops import DropPattern, DropRefused, Place
from agnes.kernel.git import GitRefused
from agnes.kernel.ports import Secret
from agnes.kernel.provider_web import ProviderBlocked
from agnes.kernel.web import WebRefused
from agnes.outside.drops import OutsideDrops
from agnes.outside.egress import Alarm, Egress, Origin, PrivateAddress, Silent, dial
from agnes.outside.git import DulwichGit
from agnes.outside.object_store.memory import MemoryStore
from agnes.outside.provider_web import SafeProviderWeb
from agnes.outside.web import SafeWeb
from agnes.settings import load
from agnes.wiring import Wiring
from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.web_server import WebServer

OUTSIDE = Path(__file__).parents[2] / "shared" / "agnes" / "outside"
HTTP = frozenset({"http"})


def test_nobody_reaches_a_private_address_without_leave():
    with (
        pytest.raises(GitRefused) as git,
        DulwichGit(allow=HTTP).fetch(
            "http://127.0.0.1:1/m.git", ref="HEAD", token=None, known=None, seconds=PATIENCE_SECONDS
        ),
    ):
        pass
    with pytest.raises(WebRefused) as web:
        SafeWeb(allow=HTTP).fetch("http://127.0.0.1:1/x", seconds=5, max_bytes=10)
    with pytest.raises(ProviderBlocked) as provider:
        SafeProviderWeb(allow=HTTP).get("http://127.0.0.1:1/.well-known/openid-configuration")
    place = Place(kind="s3", bucket="drop", endpoint="http://127.0.0.1:1", region="us-east-1")
    key = Secret('{"access_key_id": "a", "secret_access_key": "b"}')
    with pytest.raises(DropRefused) as drop, OutsideDrops(allow=HTTP).open(place, key, seconds=5) as opened:
        list(opened.files(DropPattern.parse("{user}/*.jsonl"), limit=1))
    assert drop.value.code == "private_address"
    assert {error.value.hint for error in (git, web, drop)} == {
        "An operator may allow it: AGNES_OUTBOUND_ALLOW=private."
    }
    assert "AGNES_OUTBOUND_ALLOW=private" in (provider.value.hint or "")


def test_each_request_is_judged_anew_and_a_changed_name_gains_nothing():
    """DNS rebinding: the name is public when it is looked up first, and private afterwards."""
    answers = iter(["93.184.216.34", "127.0.0.1"])

    def resolve(_host: str, port: int, **_: object) -> list[tuple]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    with WebServer() as server:
        port = int(server.url("/").rsplit(":", 1)[1].rstrip("/"))
        dialled: list[str] = []

        def to_the_server(addresses: list[tuple[int, tuple]], *, seconds: float) -> socket.socket:
            dialled.extend(address[0] for _, address in addresses)
            return dial([(socket.AF_INET, ("127.0.0.1", port))], seconds=seconds)

        server.put("/x", b"hello", "text/plain")
        egress = Egress(resolve=resolve, dial=to_the_server)
        origin = Origin("http", "files.example", port)
        with Alarm(PATIENCE_SECONDS) as alarm:
            answer = egress.ask(origin, "/x", alarm, headers={})
            assert answer.read1(100) == b"hello"
            answer.close()
            with pytest.raises(PrivateAddress):
                egress.ask(origin, "/x", alarm, headers={})
    assert dialled == ["93.184.216.34"]


def test_a_server_that_says_nothing_is_left_after_a_while():
    with socket.create_server(("127.0.0.1", 0)) as deaf, Alarm(PATIENCE_SECONDS) as alarm:
        origin = Origin("http", "127.0.0.1", deaf.getsockname()[1])
        with pytest.raises(Silent) as silent:
            Egress(allow_private=True).ask(origin, "/", alarm, headers={}, seconds=0.2)
    assert silent.value.message == "the server said nothing for 0.2 seconds"


@pytest.mark.parametrize(
    ("environ", "git", "drops", "providers"),
    [
        ({}, set(), set(), set()),
        ({"AGNES_OUTBOUND_ALLOW": "private"}, {"private"}, {"private"}, {"private"}),
        (
            {"AGNES_OUTBOUND_ALLOW": "file, folder,http"},
            {"file", "http"},
            {"folder", "http"},
            {"http"},
        ),
        ({"AGNES_GIT_ALLOW": "file,private"}, {"file", "private"}, set(), set()),
        (
            {"AGNES_COLLECT_ALLOW": "folder", "AGNES_OUTBOUND_ALLOW": "http"},
            {"http"},
            {"folder", "http"},
            {"http"},
        ),
    ],
)
def test_one_setting_and_its_old_names(environ, git, drops, providers):
    settings = load(environ)
    assert settings.outbound_allow("git") == git
    assert settings.outbound_allow("drops") == drops
    assert settings.outbound_allow("providers") == settings.outbound_allow("tables") == providers


def test_an_old_name_goes_on_working_and_says_so(tmp_path, caplog):
    environ = {"AGNES_DATA_DIR": str(tmp_path), "AGNES_GIT_ALLOW": "file", "AGNES_COLLECT_ALLOW": "folder"}
    wiring = Wiring(load(environ), store=MemoryStore(), clock=FixedClock(datetime(2026, 11, 30, tzinfo=UTC)))
    with caplog.at_level(logging.WARNING, "agnes.wiring"):
        assert wiring.git
        assert wiring.drops
    assert [old for old in ("AGNES_GIT_ALLOW", "AGNES_COLLECT_ALLOW") if old in caplog.text] == [
        "AGNES_GIT_ALLOW",
        "AGNES_COLLECT_ALLOW",
    ]
    assert "AGNES_OUTBOUND_ALLOW" in caplog.text


def test_connections_are_made_in_one_room():
    """Sockets and HTTP clients are egress's. The store's probe asks the installation's own store, and SFTP takes a dialled
    socket."""
    may = {"object_store/probe.py", "drops/sftp.py", "object_store/s3.py"}
    found = set()
    for file in OUTSIDE.rglob("*.py"):
        where = file.relative_to(OUTSIDE).as_posix()
        if where.startswith("egress/"):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(name.split(".")[0] in {"urllib3", "requests", "httpx"} or name == "http.client" for name in names):
                found.add(where)
    assert found <= may
