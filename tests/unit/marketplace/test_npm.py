"""npm sources: resolved through the operator's registry, proved by integrity, under the rules of any plugin."""

from __future__ import annotations

import dataclasses
import gzip
import tarfile

import pytest

from agnes.claude_code import semver
from agnes.marketplace import npm
from agnes.marketplace.sources import SourceInvalid
from agnes.trees import service as trees
from tests.builders.npm_registry import NpmRegistry, archive, integrity
from tests.builders.sample_marketplace import SampleMarketplace, small_plugin

pytestmark = pytest.mark.slow

PACKAGE = "@northwind/tool"


@pytest.fixture
def registry():
    with NpmRegistry() as server:
        yield server


@pytest.fixture
def market(workshop, registry) -> SampleMarketplace:
    workshop.tools = dataclasses.replace(workshop.tools, npm_registry=registry.url())
    repository = SampleMarketplace(workshop.folder / "m.git")
    workshop.register(repository.url, allow_external=True)
    return repository


def add(market, **source) -> None:
    market.add_plugin("tool", {"source": "npm", "package": PACKAGE, **source})


def plugin(**extra) -> bytes:
    return archive({**small_plugin("tool"), "bin/run.sh": "#!/bin/sh\n", **extra})


def problem(workshop) -> str | None:
    workshop.sync()
    return workshop.plugins()["tool"].problem


def test_a_package_is_fetched_proved_and_served(workshop, market, registry):
    registry.publish(PACKAGE, "1.0.0", plugin())
    add(market)
    assert workshop.sync().refused == []
    tool = workshop.plugins()["tool"]
    assert (tool.is_served, tool.source_type) == (True, "npm")
    files = {f.path: f.executable for f in trees.get(workshop.tools.store, tool.tree_id).files}
    assert files == {".claude-plugin/plugin.json": False, "bin/run.sh": True, "skills/hello/SKILL.md": False}
    # The same version is not fetched again, a new one is.
    assert workshop.sync().updated == []
    assert registry.times(f"/{PACKAGE}/-/1.0.0.tgz") == 1
    registry.publish(PACKAGE, "1.1.0", plugin(more="x"))
    assert workshop.sync().updated == ["tool"]


def test_a_range_or_a_tag_is_what_the_catalog_means(workshop, market, registry):
    for version in ("1.0.0", "1.4.0", "2.0.0"):
        registry.publish(PACKAGE, version, plugin(which=version))
    add(market, version="^1.0.0", registry=registry.url("/"))
    workshop.sync()
    tree = workshop.plugins()["tool"].tree_id
    assert trees.read_file(workshop.tools.store, tree, "which") == b"1.4.0"


def test_what_fails_keeps_its_last_good_version(workshop, market, registry):
    registry.publish(PACKAGE, "1.0.0", plugin())
    add(market)
    workshop.sync()
    good = workshop.plugins()["tool"].tree_id
    registry.publish(PACKAGE, "1.0.1", plugin(evil="x"), integrity=integrity(plugin()))
    reason = "the archive of @northwind/tool 1.0.1 is not the one that the registry's integrity names"
    assert problem(workshop) == reason
    registry.fail("/@northwind%2Ftool", 503)
    assert problem(workshop) == "the server answered 503"
    assert workshop.plugins()["tool"].tree_id == good


def test_without_a_registry_or_the_permission_it_is_catalogued_with_the_reason(workshop, market, registry):
    registry.publish(PACKAGE, "1.0.0", plugin())
    add(market)
    workshop.tools = dataclasses.replace(workshop.tools, npm_registry="")
    assert problem(workshop) == npm.NO_REGISTRY
    workshop.register(market.url, "strict")
    workshop.sync("strict")
    assert workshop.plugins("strict")["tool"].problem == "external sources are not allowed in this marketplace"
    assert registry.asked == []


def link(kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo("package/skills/passwords")
    info.type, info.linkname = kind, "/etc/passwd"
    return info


def sparse() -> tarfile.TarInfo:
    """A member of no bytes that says it unpacks to a terabyte."""
    info = tarfile.TarInfo("package/sparse")
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.map": "0,0", "GNU.sparse.size": str(10**12)}
    return info


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        pytest.param({"x": link(tarfile.SYMTYPE)}, "skills/passwords: a symbolic link", id="symlink"),
        pytest.param({"x": link(tarfile.LNKTYPE)}, "skills/passwords: a symbolic link", id="hard link"),
        pytest.param({"x": link(tarfile.FIFOTYPE)}, "skills/passwords: the mode 0, which is no file's", id="pipe"),
        pytest.param({"x": sparse()}, "sparse: the mode 0, which is no file's", id="sparse"),
        pytest.param({"../../../out": "x"}, "../../../out: the path leaves its folder", id="parent"),
        pytest.param({"/etc/cron.d/x": "x"}, "/etc/cron.d/x: the path is absolute", id="absolute"),
        pytest.param({"a": "1", "A": "2"}, "A: the same name as a where case does not count", id="case"),
        pytest.param({"big": bytes(10_000_001)}, "big: larger than 10000000 bytes", id="huge file"),
        pytest.param({f"many/f{n:05}": "" for n in range(5_001)}, "many/f04997: more than 5000 files", id="many files"),
    ],
)
def test_unsafe_members_are_left_out(workshop, market, registry, extra, reason):
    registry.publish(PACKAGE, "1.0.0", plugin(**extra))
    add(market)
    report = workshop.sync()
    assert report.refused == []
    assert report.warnings[0] == f"tool: {reason}; it is left out"
    assert workshop.plugins()["tool"].is_served


def test_an_archive_that_unpacks_to_too_much_is_refused(workshop, market, registry):
    registry.publish(PACKAGE, "1.0.0", plugin(**{f"b{n}": bytes(9_999_999) for n in range(6)}))
    add(market)
    assert problem(workshop) == "the package's files are larger than 50000000 bytes together"
    assert not workshop.plugins()["tool"].is_served


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"not gzip", "the package's archive is no gzip file", id="no gzip"),
        pytest.param(gzip.compress(b"x" * 2000), "the package's archive is damaged", id="no tar"),
        pytest.param(plugin()[:-9], "the package's archive is cut", id="cut"),
    ],
)
def test_damaged_archives_are_refused(workshop, market, registry, body, reason):
    registry.publish(PACKAGE, "1.0.0", body)
    add(market)
    assert problem(workshop) == reason


@pytest.mark.parametrize(
    ("dist", "reason"),
    [
        ({"integrity": None, "shasum": "a" * 40}, "the registry gives no integrity of @northwind/tool 1.0.0 (sha512, sha384 or sha256)"),
        ({"integrity": "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="}, "the registry gives no integrity of @northwind/tool 1.0.0 (sha512, sha384 or sha256)"),
        ({"integrity": "sha512-short"}, "the registry gives no integrity of @northwind/tool 1.0.0 (sha512, sha384 or sha256)"),
        ({"tarball": "file:///etc/passwd"}, "the registry names no archive of @northwind/tool 1.0.0"),
        ({"tarball": None}, "the registry names no archive of @northwind/tool 1.0.0"),
    ],
)  # fmt: skip
def test_what_proves_nothing_is_refused(workshop, market, registry, dist, reason):
    registry.publish(PACKAGE, "1.0.0", plugin(), **dist)
    add(market)
    assert problem(workshop) == reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "the registry's answer is not JSON"),
        (b"[]", "the registry has no @northwind/tool of latest"),
        (b'{"dist-tags": {"latest": 7}, "versions": []}', "the registry has no @northwind/tool of latest"),
    ],
)
def test_a_registry_that_talks_nonsense(workshop, market, registry, body, reason):
    registry.put("/@northwind%2Ftool", body, "application/json")
    add(market)
    assert problem(workshop) == reason


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"package": "../x"},
        {"package": "@a/b/c"},
        {"package": "Upper"},
        {"package": "a?b"},
        {"package": "a", "version": 7},
        {"package": "a", "version": "file:../x"},
        {"package": "a", "registry": "https://elsewhere.example"},
    ],
)
def test_what_is_no_package_is_refused(source):
    with pytest.raises(SourceInvalid):
        npm.package_of(source, "https://npm.example")


VERSIONS = ["0.1.0", "0.1.9", "0.2.0", "1.0.0", "1.2.3", "1.2.10", "1.3.0-beta.2", "1.3.0-beta.10", "1.9.0", "2.0.0", "bad"]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "version"),
    [
        ("1.2.3", "1.2.3"), ("=1.2.3", "1.2.3"), ("v1.2.3", "1.2.3"), ("^1.2.3", "1.9.0"), ("~1.2.3", "1.2.10"), ("~> 1.2", "1.2.10"),
        ("^0.1.0", "0.1.9"), ("^0.0.1", None), ("^0", "0.2.0"), ("~1", "1.9.0"), ("1.2.x", "1.2.10"), ("1", "1.9.0"), ("*", "2.0.0"), ("", "2.0.0"),
        (">=1.2.3 <1.9.0", "1.2.10"), (">1.2", "2.0.0"), ("<=1.2", "1.2.10"), ("<1.2", "1.0.0"), (">= 1.9.0", "2.0.0"), ("<0.1.0", None),
        ("1.0.0 - 1.2.5", "1.2.3"), ("1.0.0 - 1.2", "1.2.10"), ("0.1.x || 1.0.x", "1.0.0"), ("^1.3.0-beta.1 <1.3.0", "1.3.0-beta.10"), ("9.x", None),
    ],
)  # fmt: skip
def test_ranges_as_npm_reads_them(wanted, version):
    assert semver.best(VERSIONS, wanted) == version


@pytest.mark.parametrize("wanted", ["latest", "1.2.3.4", ">>1", "^", "1..2", "git+https://x.example"])
def test_what_is_no_range(wanted):
    assert not semver.is_range(wanted)
