"""Fetching a commit from real git, from dulwich's server and from a folder."""

from __future__ import annotations

import shutil
import socketserver
import threading
from contextlib import contextmanager
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from dulwich.objects import Tag
from dulwich.repo import Repo
from dulwich.server import DictBackend
from dulwich.web import make_wsgi_chain

from agnes.kernel.git import GitDenied, GitMissing, GitRefused
from agnes.kernel.ports import Secret
from agnes.outside.git import DulwichGit
from agnes.outside.git.limits import GitLimits
from agnes.outside.git.objects import Spool, SpooledSnapshot, copy_commit
from tests.builders.git_http_server import GitHttpServer
from tests.builders.raw_git import RawRepository
from tests.builders.sample_marketplace import SampleMarketplace

LOOPBACK = DulwichGit(allow=frozenset({"file", "http", "private"}))
SECONDS = 20


@pytest.fixture
def market(tmp_path: Path) -> SampleMarketplace:
    repository = SampleMarketplace(tmp_path / "m.git")
    repository.release_finops("1.5.0")
    return repository


@contextmanager
def dulwich_server(repository: SampleMarketplace):
    class Server(socketserver.ThreadingMixIn, WSGIServer):
        daemon_threads = True

    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

    with Repo(str(repository.folder)) as repo:
        app = make_wsgi_chain(DictBackend({"/m.git": repo}))
        with make_server("127.0.0.1", 0, app, Server, Quiet) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}/m.git"
            finally:
                server.shutdown()
                thread.join()


@contextmanager
def real_git(repository: SampleMarketplace):
    with GitHttpServer(repository.folder.parent) as server:
        yield server.url(repository.folder.name)


@contextmanager
def folder(repository: SampleMarketplace):
    yield repository.url


REAL_GIT = pytest.param(real_git, marks=pytest.mark.git, id="real_git")


@pytest.mark.parametrize("serve", [REAL_GIT, dulwich_server, folder])
@pytest.mark.parametrize("ref", ["HEAD", "refs/heads/main"])
def test_reads_the_newest_commit_and_nothing_older(market, serve, ref):
    with serve(market) as url, LOOPBACK.fetch(url, ref=ref, token=None, known=None, seconds=SECONDS) as snapshot:
        assert snapshot.commit == market.head
        found = {e.path: (snapshot.read(e.oid), e.mode) for e in snapshot.walk(snapshot.folder(""))}
        assert found == {path: (file.body, file.mode) for path, file in market.files.items()}
        with Repo(str(market.folder)) as repo:
            old_tree = repo[market.commits[0].encode()].tree.decode()
        assert snapshot.spool.size(old_tree) is None


@pytest.mark.parametrize("serve", [REAL_GIT, dulwich_server, folder])
def test_tags_are_listed_by_their_beginning(market, serve):
    for name, is_annotated in (("finops--v1.0.0", True), ("finops--v1.5.0", False), ("sql-style--v9.0.0", False)):
        market.tag(name, is_annotated=is_annotated)
    with serve(market) as url:
        assert LOOPBACK.tags(url, prefix="finops--v", token=None, seconds=SECONDS) == [
            "finops--v1.0.0",
            "finops--v1.5.0",
        ]
        assert LOOPBACK.tags(url, prefix="chartkit--v", token=None, seconds=SECONDS) == []


class WatchedSpool(Spool):
    """Tells which objects were read."""

    def raw(self, oid: str, kind: int) -> bytes:
        self.read = [*getattr(self, "read", []), oid]
        return super().raw(oid, kind)


@pytest.mark.parametrize(("entries_met", "reads"), [(100_000, 2), (0, 4)])
def test_the_folder_that_holds_all_plugins_is_read_once_within_a_bound(market, entries_met, reads):
    with WatchedSpool(GitLimits(entries_met=entries_met)) as spool, Repo(str(market.folder)) as repo:
        copy_commit(lambda oid: repo.object_store[oid.encode()], spool, market.head)
        snapshot = SpooledSnapshot.of(spool, market.head)
        spool.read = []
        found = [snapshot.folder(f"plugins/{name}") for name in ("finops", "sql-style")]
        assert len(spool.read) == reads  # the root and `plugins`
        assert None not in found
        assert found[0] != found[1]
        assert snapshot.folder("plugins/none-of-them") is None
        assert snapshot.folder(".claude-plugin/marketplace.json") is None  # a file


@pytest.mark.parametrize("serve", [REAL_GIT, dulwich_server, folder])
def test_a_known_commit_costs_the_refs_only(market, serve):
    with serve(market) as url, LOOPBACK.fetch(url, ref="HEAD", token=None, known=market.head, seconds=SECONDS) as found:
        assert found is None


@pytest.mark.git
def test_a_known_commit_sends_no_fetch_to_real_git(market):
    with GitHttpServer(market.folder.parent) as server:
        with LOOPBACK.fetch(server.url("m.git"), ref="HEAD", token=None, known=market.head, seconds=SECONDS):
            pass
        # Protocol 2: the capabilities, and one `ls-refs`.
        assert [(a.method, a.target) for a in server.asked] == [
            ("GET", "/m.git/info/refs?service=git-upload-pack"),
            ("POST", "/m.git/git-upload-pack"),
        ]


@pytest.mark.parametrize("serve", [REAL_GIT, dulwich_server, folder])
def test_a_tag_and_a_full_sha_name_their_commit(market, serve):
    with Repo(str(market.folder)) as repo:
        tag = Tag()
        tag.name, tag.message, tag.tagger = b"v1", b"first\n", b"A <a@b.example>"
        tag.object, tag.tag_time, tag.tag_timezone = (
            (type(repo[market.commits[0].encode()]), market.commits[0].encode()),
            0,
            0,
        )
        repo.object_store.add_object(tag)
        repo.refs[b"refs/tags/v1"] = tag.id
    with serve(market) as url:
        with LOOPBACK.fetch(url, ref="refs/tags/v1", token=None, known=None, seconds=SECONDS) as snapshot:
            assert snapshot.commit == market.commits[0]
        with LOOPBACK.fetch(url, ref=market.head, token=None, known=None, seconds=SECONDS) as snapshot:
            assert snapshot.commit == market.head


@pytest.mark.parametrize("serve", [REAL_GIT, dulwich_server, folder])
@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("refs/heads/nope", "the repository has no branch nope"),
        ("refs/tags/v9", "the repository has no tag v9"),
    ],
)
def test_a_missing_ref_is_named(market, serve, ref, message):
    with (
        serve(market) as url,
        pytest.raises(GitMissing) as caught,
        LOOPBACK.fetch(url, ref=ref, token=None, known=None, seconds=SECONDS),
    ):
        pass
    assert caught.value.message == message


@pytest.mark.parametrize("serve", [REAL_GIT, folder])
def test_an_empty_repository_says_so(tmp_path, serve):
    empty = RawRepository(tmp_path / "empty.git")
    with (
        serve(empty) as url,
        pytest.raises(GitMissing, match="the repository is empty"),
        LOOPBACK.fetch(url, ref="HEAD", token=None, known=None, seconds=SECONDS),
    ):
        pass


@pytest.mark.git
def test_the_token_goes_as_basic_and_nowhere_else(market):
    token = Secret("ghp_secret")
    with GitHttpServer(market.folder.parent, password="ghp_secret") as server:
        with LOOPBACK.fetch(server.url("m.git"), ref="HEAD", token=token, known=None, seconds=SECONDS) as snapshot:
            assert snapshot.commit == market.head
        assert {a.login for a in server.asked} == {"x-access-token:ghp_secret"}
        assert not any("ghp_secret" in a.target for a in server.asked)


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (None, "the git server wants a token (401)"),
        (Secret("wrong-token"), "the git server refuses our token (401)"),
    ],
)
def test_a_wrong_or_missing_token_is_said_without_it(market, token, message):
    with (
        GitHttpServer(market.folder.parent, password="right") as server,
        pytest.raises(GitDenied) as caught,
        LOOPBACK.fetch(server.url("m.git"), ref="HEAD", token=token, known=None, seconds=SECONDS),
    ):
        pass
    assert caught.value.message == message
    assert "wrong-token" not in repr(caught.value)


@pytest.mark.git
def test_no_repository_behind_the_url(market):
    with GitHttpServer(market.folder.parent, documents={"/page/info/refs": ("text/html", b"<h1>Hello")}) as server:
        for path, message in [
            ("other.git", "the git server knows no such repository (404)"),
            ("page", "there is no git repository at this URL"),
        ]:
            with (
                pytest.raises(GitMissing) as caught,
                LOOPBACK.fetch(server.url(path), ref="HEAD", token=None, known=None, seconds=SECONDS),
            ):
                pass
            assert caught.value.message == message


def test_a_folder_without_a_repository(tmp_path):
    with (
        pytest.raises(GitMissing, match="there is no git repository at this path"),
        LOOPBACK.fetch(tmp_path.as_uri(), ref="HEAD", token=None, known=None, seconds=SECONDS),
    ):
        pass


@pytest.mark.parametrize(
    ("allow", "url", "message"),
    [
        ((), "file:///srv/m.git", "file URLs are not fetched"),
        ((), "http://git.example/m.git", "http URLs are not fetched"),
        (("http", "file", "private"), "ssh://git@git.example/m.git", "ssh URLs are not fetched"),
        (("http",), "http://127.0.0.1:9/m.git", "the host 127.0.0.1 has the private address 127.0.0.1"),
        ((), "https://[::1]/m.git", "the host ::1 has the private address ::1"),
        ((), "https://2130706433/m.git", "the host 2130706433 has the private address 127.0.0.1"),
    ],
)
def test_what_is_not_allowed_is_not_asked(allow, url, message):
    with (
        pytest.raises(GitRefused) as caught,
        DulwichGit(allow=frozenset(allow)).fetch(url, ref="HEAD", token=None, known=None, seconds=SECONDS),
    ):
        pass
    assert caught.value.message == message


def test_git_is_installed():
    """The tests above are about real git: they must not pass for want of it."""
    assert shutil.which("git")
