"""marketplace-metadata.json: what is shown, and what is left out with a warning."""

from __future__ import annotations

import json

import pytest

from agnes.marketplace import assets, metadata
from agnes.marketplace.limits import MAX_ASSET_BYTES, MAX_MARKDOWN_BYTES, MAX_METADATA_BYTES
from agnes_local.demo_repository import SYMLINK, File
from tests.builders.sample_marketplace import METADATA, PNG, SampleMarketplace

FILES = {
    "media/cover.png": PNG,
    "docs/a.pdf": b"%PDF-1.7",
    "docs/b.md": b"# B",
    "docs/lie.pdf": b"MZ",
    "c.html": b"<p>",
}


def not_fetched(kind, url):
    raise assets.NotTaken(f"no {kind} at {url}")


def page(given, mirrored=not_fetched):
    return metadata.of_plugin("acme", "finops", given, FILES.get, mirrored)


@pytest.fixture
def market(workshop) -> SampleMarketplace:
    repository = SampleMarketplace(workshop.folder / "m.git")
    workshop.register(repository.url)
    return repository


def test_the_whole_format():
    case = {"title": "T", "description": "D", "prompt": "P"}
    shown, read = page(
        {
            "display_name": " Fin\nOps ",
            "tagline": "t",
            "description": "**long**",
            "category": "Security",
            "cover_photo": "./media/cover.png",
            "video_url": "https://videos.example/1",
            "doc_links": [{"name": "A", "path": "docs/a.pdf"}, {"name": "W", "url": "https://x.example/guide"}],
            "use_cases": [case],
            "sample_interaction": {"user": "U", "assistant": "A"},
            "skills": {"forecast": {"tagline": "s", "when_to_use": "w", "invocation": "/finops:forecast"}},
            "agents": {"auditor": {"display_name": "Auditor"}},
        }
    )
    assert read.warnings == [f"{METADATA}: finops: doc_links[1]: not mirrored: no document at https://x.example/guide"]
    cover, pdf = sorted(shown.pop("assets").items(), key=lambda item: item[1]["content_type"], reverse=True)
    url = "/api/marketplace/curated/acme/finops"
    assert shown == {
        "display_name": "Fin Ops",
        "tagline": "t",
        "category": "Security",
        "description": "**long**",
        "video_url": "https://videos.example/1",
        "cover_url": f"{url}/asset/{cover[0]}",
        "doc_links": [
            {"name": "A", "url": f"{url}/document/{pdf[0]}"},
            {"name": "W", "url": "https://x.example/guide"},
        ],
        "use_cases": [case],
        "sample_interaction": {"user": "U", "assistant": "A"},
        "items": {
            "skill:forecast": {"tagline": "s", "when_to_use": "w", "invocation": "/finops:forecast"},
            "agent:auditor": {"display_name": "Auditor"},
        },
    }
    assert (cover[1]["content_type"], pdf[1]["content_type"]) == ("image/png", "application/pdf")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([], "not an object"),
        ({"tagline": 7}, "tagline: not text"),
        ({"description": ["x"]}, "description: not text"),
        ({"video_url": "javascript:alert(1)"}, "video_url: not an http or https URL"),
        ({"video_url": "https://user:pw@x.example/"}, "video_url: not an http or https URL"),
        ({"video_url": "https://x.example/\n"}, "video_url: not an http or https URL"),
        ({"cover_photo": "../../etc/passwd"}, "cover_photo: not a path inside the repository"),
        ({"cover_photo": "/etc/passwd"}, "cover_photo: not a path inside the repository"),
        ({"cover_photo": "gone.png"}, "cover_photo: the repository has no such file, or it is too large"),
        ({"cover_photo": "docs/a.pdf"}, "cover_photo: not a PNG, JPEG or WebP picture"),
        ({"cover_photo": "https://x.example/a.png"}, "cover_photo: not mirrored: no cover at https://x.example/a.png"),
        ({"cover_photo": "ftp://x.example/a.png"}, "cover_photo: not an http or https URL"),
        ({"doc_links": {"name": "A"}}, "doc_links: not a list"),
        ({"doc_links": [{"path": "docs/b.md"}]}, "doc_links[0]: needs a name"),
        ({"doc_links": [{"name": "A"}]}, "doc_links[0]: needs either a path or a url"),
        ({"doc_links": [{"name": "A", "path": "docs/b.md", "url": "https://x.example"}]}, "doc_links[0]: needs either a path or a url"),
        ({"doc_links": [{"name": "A", "path": "docs/lie.pdf"}]}, "doc_links[0]: not a PDF"),
        ({"doc_links": [{"name": "A", "path": "c.html"}]}, "doc_links[0]: a document ends in .pdf, .md, .markdown or .txt"),
        ({"doc_links": [{"name": "A", "url": "https://x.example/a.exe"}]}, "doc_links[0]: a document ends in .pdf, .md, .markdown or .txt"),
        ({"use_cases": [{"title": "T", "description": "D"}]}, "use_cases[0]: needs title, description and prompt"),
        ({"sample_interaction": {"user": "U"}}, "sample_interaction: needs user and assistant"),
        ({"skills": []}, "skills: not an object"),
        ({"agents": {"a": 1}}, "agents.a: not an object"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_left_out_with_a_warning(given, reason):
    shown, read = page(given)
    assert shown == {}
    assert read.warnings == [f"{METADATA}: finops: {reason}"]


def test_long_markdown_is_cut_on_a_character():
    shown, _ = page({"description": "ü" * MAX_MARKDOWN_BYTES})
    assert shown["description"] == "ü" * (MAX_MARKDOWN_BYTES // 2)


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'{"plugins": []}', b'{"plugins": ' + b"[" * 100 + b"]" * 100 + b"}", b" " * (MAX_METADATA_BYTES + 1), b"\xff"],
)  # fmt: skip
def test_a_document_that_cannot_be_used_is_ignored(workshop, market, body):
    market.change("nonsense", {METADATA: body})
    report = workshop.sync()
    assert report.plugin_count == 3
    assert [w for w in report.warnings if w.startswith(METADATA)]
    assert workshop.plugins()["finops"].metadata is None


def test_a_sync_keeps_the_page_and_its_files(workshop, market):
    market.add_page_files("finops")
    workshop.sync()
    finops, chartkit = workshop.plugins()["finops"], workshop.plugins()["chartkit"]
    assert chartkit.category == "Data & Analytics"
    assert chartkit.metadata["display_name"] == "ChartKit"
    for described in finops.metadata["assets"].values():
        assert workshop.tools.store.read(f"{assets.PREFIX}{described['sha256']}") is not None
    before = finops.tree_id
    market.write_page("finops", tagline="New words")
    assert workshop.sync().updated == ["finops"]
    after = workshop.plugins()["finops"]
    assert (after.metadata, after.tree_id) == ({"tagline": "New words"}, before)


def test_a_category_override_stays_out_of_the_served_entry(workshop, market):
    market.write_page("finops", category="Research")
    workshop.sync()
    finops = workshop.plugins()["finops"]
    assert finops.category == "Research"
    assert finops.raw == market.manifest()["plugins"][0]


def test_links_and_large_files_are_no_covers(workshop, market):
    market.change("traps", {"link.png": File(b"/etc/passwd", SYMLINK), "big.png": PNG + bytes(MAX_ASSET_BYTES)})
    for path in ("link.png", "big.png"):
        market.write_page("finops", cover_photo=path)
        assert f"{METADATA}: finops: cover_photo: the repository has no such file, or it is too large" in (
            workshop.sync().warnings
        )
        assert workshop.plugins()["finops"].metadata is None


def test_metadata_of_unknown_plugins_is_ignored(workshop, market):
    document = json.loads(market.files[METADATA].body)
    document["plugins"]["nobody"] = {"tagline": "x"}
    market.change("nobody", {METADATA: json.dumps(document)})
    assert workshop.sync().plugin_count == 3
