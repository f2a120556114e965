"""The zip and the git repository of a view, read by the programs that people have."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import threading
import zipfile
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agnes.feed import service, upload_pack, zip_archive, zips
from agnes.feed.model import Offer
from agnes.outside.object_store.memory import MemoryStore
from agnes.trees import service as trees
from agnes.trees.model import TreeFile
from tests.builders.patience import PATIENCE_SECONDS


def offer(store, name, *, origin="acme", text="hello", source="curated"):
    tree = trees.put(
        store,
        [
            TreeFile(".claude-plugin/plugin.json", json.dumps({"name": name}).encode()),
            TreeFile("skills/one/SKILL.md", text.encode() * 50),
            TreeFile("bin/run.sh", b"#!/bin/sh\n", executable=True),
        ],
    )
    return Offer(
        source, origin, name, "1.0.0+abc", tree.id, f"About {name}", {"name": "x", "category": "Data", "source": "./x"}
    )


@pytest.fixture
def store():
    return MemoryStore()


def test_the_zip_is_sound_and_keeps_modes(store, tmp_path):
    view = service.view_of(store, [offer(store, "finops"), offer(store, "chartkit", text="bye")])
    body = zips.build(store, view)
    assert body == zips.build(store, view)
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        catalog = json.loads(archive.read(".claude-plugin/marketplace.json"))
        assert [p["name"] for p in catalog["plugins"]] == ["finops", "chartkit"]
        assert catalog["plugins"][0] == {
            "name": "finops",
            "source": "./plugins/finops",
            "version": "1.0.0+abc",
            "category": "Data",
            "description": "About finops",
        }
        assert archive.read("plugins/chartkit/skills/one/SKILL.md") == b"bye" * 50
        assert archive.getinfo("plugins/finops/bin/run.sh").external_attr >> 16 == 0o100755
        assert archive.getinfo("plugins/finops/skills/one/SKILL.md").external_attr >> 16 == 0o100644
    (tmp_path / "a.zip").write_bytes(body)
    if shutil.which("unzip"):
        subprocess.run(["unzip", "-tq", tmp_path / "a.zip"], check=True, capture_output=True)


def test_a_zip_of_more_than_65535_members_is_read_back():
    deflated = zlib.compress(b"x")[2:-4]
    body = zip_archive.write(zip_archive.Member(f"f{n}", deflated, 1, zlib.crc32(b"x")) for n in range(65_600))
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert len(archive.namelist()) == 65_600
        assert archive.read("f65599") == b"x"


def test_the_same_offers_are_the_same_commit_and_another_tree_is_another(store):
    one, two = offer(store, "finops"), offer(store, "chartkit")
    assert service.view_of(store, [one, two]).commit == service.view_of(MemoryStoreLike(store), [one, two]).commit
    assert service.view_of(store, [one]).commit != service.view_of(store, [one, two]).commit
    assert service.view_of(store, [offer(store, "finops", text="new")]).commit != service.view_of(store, [one]).commit


def MemoryStoreLike(store):
    copy = MemoryStore()
    for entry in store.list(""):
        copy.write(entry.key, store.read(entry.key).body, expect=service.ANYTHING)
    return copy


class GitServer:
    """The feed's protocol functions behind a plain HTTP server; `view` may be changed."""

    def __init__(self, store, view):
        self.store, self.view, self.requests = store, view, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                commit = outer.view.commit
                v2 = self.version() == 2
                body = upload_pack.advertise_capabilities() if v2 else upload_pack.advertise_refs(commit)
                self.answer(upload_pack.ADVERTISEMENT, body)

            def do_POST(self):
                body = self.body()
                if self.headers.get("Content-Encoding") == "gzip":
                    body = zlib.decompress(body, 31)
                outer.requests.append(body)
                repository = service.repository_of(outer.store, outer.view)
                self.answer(upload_pack.RESULT, upload_pack.answer(body, repository, version=self.version()))

            def body(self):
                if self.headers.get("Transfer-Encoding") == "chunked":
                    out = b""
                    while size := int(self.rfile.readline(), 16):
                        out += self.rfile.read(size)
                        self.rfile.readline()
                    return out
                return self.rfile.read(int(self.headers["Content-Length"]))

            def version(self):
                return 2 if self.headers.get("Git-Protocol") == "version=2" else 0

            def answer(self, kind, body):
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/marketplace.git"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.server.shutdown()
        self.server.server_close()


def git(*args, cwd=None, version=2):
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", f"protocol.version={version}", *map(str, args)]
    return subprocess.run(
        command, cwd=cwd, env=env, check=True, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    ).stdout


def object_bytes(clone):
    return sum(f.stat().st_size for f in (clone / ".git/objects").rglob("*") if f.is_file())


@pytest.mark.parametrize("version", [0, 2])
@pytest.mark.parametrize("depth", [(), ("--depth", "1")], ids=["full", "shallow"])
@pytest.mark.git
def test_git_clones_the_view_and_fetches_only_what_changed(store, tmp_path, version, depth):
    big = offer(store, "chartkit", text=os.urandom(30_000).hex())
    view = service.view_of(store, [offer(store, "finops"), big])
    with GitServer(store, view) as server:
        clone = tmp_path / "clone"
        git("clone", "-q", *depth, server.url, clone, version=version)
        assert git("rev-parse", "HEAD", cwd=clone).strip() == view.commit
        assert git("symbolic-ref", "HEAD", cwd=clone).strip() == "refs/heads/main"
        assert git("fsck", "--strict", cwd=clone) == ""
        assert os.access(clone / "plugins/finops/bin/run.sh", os.X_OK)
        server.view = service.view_of(store, [offer(store, "finops", text="changed"), big])
        before = object_bytes(clone)
        git("fetch", "-q", "origin", cwd=clone, version=version)
        git("-c", "advice.detachedHead=false", "reset", "-q", "--hard", "FETCH_HEAD", cwd=clone)
        assert (clone / "plugins/finops/skills/one/SKILL.md").read_text() == "changed" * 50
        assert object_bytes(clone) - before < 10_000, "the unchanged plugin travelled again"
        assert git("fsck", "--strict", cwd=clone) == ""


def test_an_older_view_is_served_only_while_all_its_plugins_are_permitted(store, tmp_path):
    finops, chartkit = offer(store, "finops"), offer(store, "chartkit")
    both, one = service.view_of(store, [finops, chartkit]), service.view_of(store, [finops])
    assert service.repository_of(store, both).is_wanted_allowed(one.commit)
    assert not service.repository_of(store, one).is_wanted_allowed(both.commit)
    assert not service.repository_of(store, one).is_wanted_allowed("0" * 40)
    body = (
        upload_pack.line("command=fetch")
        + b"0001"
        + upload_pack.line(f"want {both.commit}\n")
        + upload_pack.line("done\n")
        + b"0000"
    )
    refused = upload_pack.answer(body, service.repository_of(store, one), version=2)
    assert refused[4:].startswith(b"ERR upload-pack: not our ref")


@pytest.mark.parametrize(
    "body",
    [
        b"zzzz",
        b"0009want",
        b"fff0x",
        upload_pack.line("command=fetch") + b"0001" + upload_pack.line("want abc"),
        upload_pack.line("command=push") + b"0000",
        upload_pack.line("command=fetch") + upload_pack.line("filter blob:none") + b"0000",
        b"",
    ],
)
def test_what_is_not_git_is_refused(store, body):
    repository = service.repository_of(store, service.view_of(store, []))
    with pytest.raises(upload_pack.ProtocolError):
        upload_pack.answer(body, repository, version=2)


@pytest.mark.parametrize(
    ("header", "expected"), [("{}", True), ("W/{}", True), ('"x", {}', True), ("*", True), ('"x"', False), ("", False)]
)
def test_if_none_match(store, header, expected):
    view = service.view_of(store, [])
    assert service.matches(header.format(service.etag(view)), view) is expected
