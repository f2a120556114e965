"""`archive` sources: proved, unwrapped as the client does, bounded, and hostile members left out."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import zipfile

import pytest

from agnes.kernel.web import Validators, WebFailed, WebFile
from agnes.marketplace.archives import archive_of
from agnes.marketplace.sources import SourceInvalid
from agnes.trees import service as trees
from agnes_local.demo_repository import BareRepository, File
from tests.builders.sample_marketplace import small_plugin

URL = "https://files.example/tool.zip"


class Zips:
    """A `WebReader` of the archives in `files`."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked = 0

    def fetch(self, url, *, seconds, max_bytes, known=None, accept="*/*", into=None):
        self.asked += 1
        if url not in self.files:
            raise WebFailed("the server answered 404")
        if into is not None:
            into.write(self.files[url])
            return WebFile(url, "application/zip", b"", Validators())
        return WebFile(url, "application/zip", self.files[url], Validators())


def zipped(files: dict[str, str | bytes], modes: dict[str, int] | None = None) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, body in files.items():
            info = zipfile.ZipInfo(path)
            info.compress_type, info.create_system = zipfile.ZIP_DEFLATED, 3
            info.external_attr = (modes or {}).get(path, 0o100644) << 16
            archive.writestr(info, body)
    return made.getvalue()


@pytest.fixture
def web(workshop) -> Zips:
    web = Zips()
    workshop.tools = dataclasses.replace(workshop.tools, web=web)
    return web


def register(workshop, source: dict, **entry) -> None:
    document = {"plugins": [{"name": "tool", "source": {"source": "archive", "url": URL, **source}, **entry}]}
    made = BareRepository(
        workshop.folder / "m.git", {".claude-plugin/marketplace.json": File(json.dumps(document).encode())}
    )
    made.commit("the catalog")
    workshop.register(made.url, allow_external=True)


def served(workshop) -> dict[str, bool]:
    plugin = workshop.plugins()["tool"]
    return {file.path: file.executable for file in trees.get(workshop.tools.store, plugin.tree_id).files}


@pytest.mark.parametrize("wrapper", ["", "tool-1.0/"])
def test_an_archive_is_served_without_its_wrapping_folder(workshop, web, wrapper):
    files = {f"{wrapper}{path}": body for path, body in small_plugin("tool").items()} | {
        f"{wrapper}bin/run": "#!/bin/sh\n"
    }
    web.files[URL] = zipped(files | {"__MACOSX/x": ""}, {f"{wrapper}bin/run": 0o100755})
    register(workshop, {"sha256": hashlib.sha256(web.files[URL]).hexdigest().upper()})
    assert workshop.sync().refused == []
    kept = served(workshop)
    kept.pop("__MACOSX/x", None)
    assert kept == {".claude-plugin/plugin.json": False, "bin/run": True, "skills/hello/SKILL.md": False}
    workshop.sync()
    assert web.asked == 1, "what a digest names does not change"


def test_without_a_digest_it_is_fetched_at_each_sync(workshop, web):
    web.files[URL] = zipped(small_plugin("tool"))
    register(workshop, {})
    workshop.sync()
    assert workshop.sync().updated == []
    web.files[URL] = zipped(small_plugin("tool") | {"more.md": "x"})
    assert workshop.sync().updated == ["tool"]


@pytest.mark.parametrize(
    ("files", "modes", "left_out"),
    [
        ({"../../out": "x"}, {}, "../../out: the path leaves its folder"),
        ({"/etc/cron.d/x": "x"}, {}, "/etc/cron.d/x: the path is absolute"),
        ({"link": "/etc/passwd"}, {"link": 0o120777}, "link: a symbolic link"),
        ({"a.md": "1", "A.md": "2"}, {}, "A.md: the same name as a.md where case does not count"),
        ({"big": bytes(10_000_001)}, {}, "big: larger than 10000000 bytes"),
    ],
    ids=["parent", "absolute", "symlink", "case", "huge"],
)
def test_hostile_members_are_left_out(workshop, web, files, modes, left_out):
    web.files[URL] = zipped(small_plugin("tool") | files, modes)
    register(workshop, {})
    report = workshop.sync()
    assert (report.refused, report.warnings) == ([], [f"tool: {left_out}; it is left out"])


def test_a_bomb_is_inflated_up_to_what_is_served(workshop, web):
    web.files[URL] = zipped(small_plugin("tool") | {f"b{n:03}": bytes(9_000_000) for n in range(40)})
    register(workshop, {})
    report = workshop.sync()
    assert report.refused == []
    assert workshop.plugins()["tool"].size_bytes <= 50_000_000
    assert "and 15 more; it is left out" in report.warnings[-1]


@pytest.mark.parametrize(
    ("body", "source", "reason"),
    [
        (b"no zip", {}, "the archive is no zip, or damaged"),
        (zipped(small_plugin("tool"))[:-30], {}, "the archive is no zip, or damaged"),
        (zipped({}), {}, "the folder is empty"),
        (b"x", {"sha256": "0" * 64}, f"the archive's SHA-256 is {hashlib.sha256(b'x').hexdigest()}, and the catalog names {'0' * 64}"),
        (None, {}, "the server answered 404"),
    ],
    ids=["no zip", "cut", "empty", "digest", "gone"],
)  # fmt: skip
def test_what_is_no_sound_archive_is_refused(workshop, web, body, source, reason):
    if body is not None:
        web.files[URL] = body
    register(workshop, source)
    assert [refused.reason for refused in workshop.sync().refused] == [reason]


@pytest.mark.parametrize("key", ["headers", "headersHelper"])
def test_archives_that_want_headers_are_refused_with_the_reason(workshop, web, key):
    register(workshop, {}, **{key: {"Authorization": "Bearer x"} if key == "headers" else "print-headers"})
    (refused,) = workshop.sync().refused
    assert key.removesuffix("Helper") in refused.reason
    assert web.asked == 0
    assert "Bearer" not in json.dumps(workshop.plugins()["tool"].raw)


@pytest.mark.parametrize(
    "source",
    [
        {"url": "http://files.example/x.zip"},
        {"url": "https://me:pw@files.example/x.zip"},
        {"url": 7},
        {"url": "https://[bad/x.zip"},
        {"url": URL, "sha256": "abc"},
        {"url": URL, "sha256": 7},
        {},
    ],
)
def test_what_is_no_archive_source(source):
    with pytest.raises(SourceInvalid):
        archive_of({"source": "archive", **source})
