"""Our copies of covers and documents of other servers."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from agnes.kernel.web import Validators, WebFile
from agnes.marketplace import mirror
from agnes.marketplace.assets import COVER, DOCUMENT, NotTaken
from agnes.marketplace.limits import MAX_ASSET_BYTES, MAX_COVER_BYTES
from agnes.outside.git import DulwichGit
from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.sample_marketplace import PNG, SampleMarketplace
from tests.builders.web_server import WebServer
from tests.unit.marketplace.conftest import ALLOW

pytestmark = pytest.mark.slow

JPEG = b"\xff\xd8\xff" + bytes(16)


@pytest.fixture
def web():
    with WebServer() as server:
        yield server


@pytest.fixture
def market(workshop, web) -> SampleMarketplace:
    repository = SampleMarketplace(workshop.folder / "m.git")
    workshop.register(repository.url)
    return repository


def show(market, web, plugin: str, *, cover: str = "/c.png", documents: tuple[str, ...] = ()) -> None:
    links = [{"name": path, "url": web.url(path)} for path in documents]
    market.write_page(plugin, **({"cover_photo": web.url(cover)} if cover else {}), doc_links=links)


def cover_of(workshop, plugin: str = "finops") -> bytes | None:
    """The bytes that the plugin's cover address stands for."""
    shown = workshop.plugins()[plugin].metadata or {}
    key = shown.get("cover_url", "").rpartition("/")[2]
    if not key:
        return None
    return workshop.tools.store.read(f"assets/{shown['assets'][key]['sha256']}").body


def rows(workshop) -> list[tuple]:
    return workshop.rows("SELECT plugin_name, kind, sha256 IS NOT NULL, problem FROM marketplace.mirrored ORDER BY ALL")


def test_a_cover_and_documents_are_copied_and_published_as_our_own(workshop, market, web):
    web.put("/c.png", PNG, "image/png", etag='"1"')
    web.put("/docs/guide", b"%PDF-1.7", "application/pdf")
    web.put("/notes.md", b"# Notes", "text/plain; charset=utf-8")
    show(market, web, "finops", documents=("/docs/guide", "/notes.md"))
    assert workshop.sync().warnings == []
    shown = workshop.plugins()["finops"].metadata
    prefix = "/api/marketplace/curated/acme/finops/"
    assert shown["cover_url"].startswith(f"{prefix}asset/")
    assert [link["url"].startswith(f"{prefix}document/") for link in shown["doc_links"]] == [True, True]
    described = {a["filename"]: a["content_type"] for a in shown["assets"].values()}
    assert described == {
        "c.png": "image/png",
        "guide.pdf": "application/pdf",
        "notes.md": "text/markdown; charset=utf-8",
    }
    assert cover_of(workshop) == PNG
    # What did not change costs a conditional request, and changes nothing.
    report = workshop.sync()
    assert (report.changed, report.updated, report.warnings) == (False, [], [])
    assert web.asked[-3:] != []
    assert '"1"' in [headers.get("if-none-match") for path, headers in web.asked if path == "/c.png"]


def test_new_bytes_are_found_although_the_commit_is_the_same(workshop, market, web):
    web.put("/c.png", PNG, "image/png", etag='"1"')
    show(market, web, "finops")
    workshop.sync()
    before = workshop.plugins()["finops"]
    web.put("/c.png", JPEG, "image/jpeg", etag='"2"')
    assert workshop.sync().updated == ["finops"]
    after = workshop.plugins()["finops"]
    assert (cover_of(workshop), after.tree_id) == (JPEG, before.tree_id)


@pytest.fixture
def packs(workshop) -> list[str | None]:
    """What each fetch of the repository knew before: None is a whole pack."""
    seen: list[str | None] = []

    class Watched(DulwichGit):
        def fetch(self, url, *, known, **given):
            seen.append(known)
            return super().fetch(url, known=known, **given)

    workshop.tools = replace(workshop.tools, git=Watched(allow=ALLOW))
    return seen


def test_an_unchanged_sync_asks_for_refs_and_validators_alone(workshop, market, web, packs):
    web.put("/c.png", PNG, "image/png", etag='"1"')
    show(market, web, "finops")
    workshop.sync()
    checked = workshop.rows("SELECT checked_at FROM marketplace.mirrored")
    assert (workshop.sync().changed, packs, web.times("/c.png")) == (False, [None, market.head], 2)
    assert workshop.rows("SELECT checked_at FROM marketplace.mirrored") > checked
    # A copy that was asked about a moment ago is left in peace.
    assert (workshop.sync(hours=0.2).changed, packs[2:], web.times("/c.png")) == (False, [market.head], 2)
    # Another failure is said anew and re-read once; the same failure costs no pack.
    web.fail("/c.png", 503)
    assert len(workshop.sync().warnings) == 1
    assert packs[3:] == [market.head, None]
    [warning] = workshop.sync().warnings
    assert warning == f"finops: {web.url('/c.png')}: the last good copy stays: the server answered 503"
    assert (packs[5:], cover_of(workshop)) == ([market.head], PNG)
    # New bytes are fetched once, although the pages are read again for them.
    web.put("/c.png", JPEG, "image/jpeg", etag='"2"')
    before = web.times("/c.png")
    assert workshop.sync().updated == ["finops"]
    assert (packs[6:], cover_of(workshop), web.times("/c.png") - before) == ([market.head, None], JPEG, 1)


def test_not_modified_never_empties_another_plugins_copy(workshop, market, web):
    """Spec/01 §10.15: a second plugin adds a URL that is mirrored already, and the server answers 304."""
    web.put("/c.png", PNG, "image/png", etag='"1"')
    show(market, web, "finops")
    workshop.sync()
    show(market, web, "chartkit")
    assert workshop.sync().warnings == []
    assert (cover_of(workshop, "finops"), cover_of(workshop, "chartkit")) == (PNG, PNG)
    assert web.times("/c.png") == 2


def test_a_lost_copy_is_fetched_whole_again(workshop, market, web):
    web.put("/c.png", PNG, "image/png", etag='"1"')
    show(market, web, "finops")
    workshop.sync()
    [[digest]] = workshop.rows("SELECT sha256 FROM marketplace.mirrored")
    workshop.tools.store.remove([f"assets/{digest}"])
    workshop.sync()
    assert cover_of(workshop) == PNG


def test_a_failure_that_may_pass_keeps_the_good_copy_and_one_that_will_not_ends_it(workshop, market, web):
    web.put("/c.png", PNG, "image/png")
    show(market, web, "finops")
    workshop.sync()
    web.fail("/c.png", 503)
    [warning] = workshop.sync().warnings
    assert warning.endswith("finops: cover_photo: the last good copy stays: the server answered 503")
    assert (cover_of(workshop), rows(workshop)) == (PNG, [("finops", "cover", True, "the server answered 503")])
    web.fail("/c.png", 410)
    [warning] = workshop.sync().warnings
    assert warning.endswith("finops: cover_photo: not mirrored: the server answered 410")
    assert (cover_of(workshop), rows(workshop)) == (None, [("finops", "cover", False, "the server answered 410")])


def test_what_no_page_names_any_more_is_forgotten(workshop, market, web):
    web.put("/c.png", PNG, "image/png")
    show(market, web, "finops")
    workshop.sync()
    market.write_page("finops", tagline="Plain")
    workshop.sync()
    assert (cover_of(workshop), rows(workshop)) == (None, [])
    asked = len(web.asked)
    assert not workshop.sync().changed
    assert len(web.asked) == asked


def test_a_document_without_a_copy_stays_a_link(workshop, market, web):
    web.put("/wiki", b"<html>", "text/html")
    show(market, web, "finops", cover="", documents=("/wiki",))
    [warning] = workshop.sync().warnings
    assert "the server says that it is text/html, not a PDF, Markdown or plain text" in warning
    assert workshop.plugins()["finops"].metadata["doc_links"] == [{"name": "/wiki", "url": web.url("/wiki")}]


def test_four_at_a_time(workshop, market, web):
    running, most, lock = [0], [0], threading.Lock()
    together = threading.Barrier(4)

    def slow(handler):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        together.wait(PATIENCE_SECONDS)
        with lock:
            running[0] -= 1
        handler.say(200, b"# Doc", {"Content-Type": "text/markdown"})

    paths = tuple(f"/d{n}.md" for n in range(8))
    web.answers |= dict.fromkeys(paths, slow)
    show(market, web, "finops", cover="", documents=paths)
    assert workshop.sync().warnings == []
    assert most == [4]


def judge(kind: str, url: str, content_type: str, body: bytes):
    return mirror.judged(kind, url, WebFile(url, content_type, body, Validators()))


@pytest.mark.parametrize(
    ("kind", "url", "content_type", "body", "filename"),
    [
        (COVER, "https://x.example/a", "image/webp", b"RIFF1234WEBP", "a.webp"),
        (COVER, "https://x.example/a.png", "image/jpeg", JPEG, "a.jpg"),
        (DOCUMENT, "https://x.example/a.pdf", "application/octet-stream", b"%PDF-", "a.pdf"),
        (DOCUMENT, "https://x.example/", "text/plain", b"x", "document.txt"),
        (DOCUMENT, "https://x.example/%2e%2e%2fa%00.md", "text/markdown", b"x", "a.md"),
        (DOCUMENT, "https://x.example/" + "n" * 300, "text/markdown", b"x", "n" * 60 + ".md"),
    ],
)
def test_what_is_taken_gets_a_plain_name(kind, url, content_type, body, filename):
    assert judge(kind, url, content_type, body).filename == filename


@pytest.mark.parametrize(
    ("kind", "url", "content_type", "body", "reason"),
    [
        (COVER, "https://x.example/a.png", "text/html", PNG, "the server says that it is text/html, not a PNG, JPEG or WebP picture"),
        (COVER, "https://x.example/a.png", "image/svg+xml", b"<svg/>", "the server says that it is image/svg+xml, not a PNG, JPEG or WebP picture"),
        (COVER, "https://x.example/a.png", "image/png", b"<html>", "not a PNG, JPEG or WebP picture"),
        (COVER, "https://x.example/a.png", "image/png", PNG + bytes(MAX_COVER_BYTES), f"larger than {MAX_COVER_BYTES} bytes"),
        (DOCUMENT, "https://x.example/a.exe", "application/octet-stream", b"MZ", "the server says that it is application/octet-stream, not a PDF, Markdown or plain text"),
        (DOCUMENT, "https://x.example/a.pdf", "application/pdf", b"MZ", "not a PDF"),
        (DOCUMENT, "https://x.example/a.md", "", b"x", "the server says that it is no type, not a PDF, Markdown or plain text"),
        (DOCUMENT, "https://x.example/a.md", "text/plain", b"\xff", "not UTF-8 text"),
        (DOCUMENT, "https://x.example/a.md", "text/plain", b"x" * (MAX_ASSET_BYTES + 1), f"larger than {MAX_ASSET_BYTES} bytes"),
    ],
)  # fmt: skip
def test_what_is_not_what_it_says_is_not_taken(kind, url, content_type, body, reason):
    with pytest.raises(NotTaken) as caught:
        judge(kind, url, content_type, body)
    assert str(caught.value) == reason
