"""External sources: fetched and vendored where an admin allows it, catalogued with the reason where not."""

from __future__ import annotations

import pytest

from agnes.marketplace import external, service
from agnes.marketplace.model import MarketplaceChange
from agnes.marketplace.sources import SourceInvalid
from agnes.trees import service as trees
from agnes_local.demo_repository import SYMLINK, File
from tests.builders.sample_marketplace import EXTERNAL_SOURCES, SampleMarketplace, small_plugin
from tests.unit.marketplace.conftest import ADMIN, ALLOW


@pytest.fixture
def other(workshop) -> SampleMarketplace:
    """Somebody's repository with the plugin `tool` at its root and `deep` in a folder."""
    files = {path: File(body.encode()) for path, body in small_plugin("tool").items()}
    files |= {f"packages/deep/{path}": File(body.encode()) for path, body in small_plugin("deep").items()}
    return SampleMarketplace(workshop.folder / "other.git", files)


@pytest.fixture
def market(workshop, other) -> SampleMarketplace:
    repository = SampleMarketplace(workshop.folder / "m.git")
    repository.add_plugin("tool", {"source": "url", "url": other.url})
    repository.add_plugin("deep", {"source": "git-subdir", "url": other.url, "path": "packages/deep", "ref": "main"})
    workshop.register(repository.url, allow_external=True)
    return repository


def change(workshop, **given):
    return service.update(
        workshop.state, ADMIN, "acme", MarketplaceChange(**given), secrets=workshop.secrets, clock=workshop.clock, allow=ALLOW
    )  # fmt: skip


def test_what_is_allowed_is_fetched_and_served(workshop, market, other):
    report = workshop.sync()
    assert report.refused == []
    plugins = workshop.plugins()
    assert plugins["tool"].is_served
    assert plugins["deep"].is_served
    assert plugins["deep"].source_type == "git-subdir"
    paths = [f.path for f in trees.get(workshop.tools.store, plugins["deep"].tree_id).files]
    assert paths == [".claude-plugin/plugin.json", "skills/hello/SKILL.md"]
    # An update there is found although the marketplace's own commit is the same.
    other.change("more", {"packages/deep/skills/hello/more.md": "more"})
    assert sorted(workshop.sync().updated) == ["deep", "tool"]
    assert workshop.sync().updated == []


def test_what_fails_keeps_its_last_good_version(workshop, market, other):
    workshop.sync()
    before = workshop.plugins()["deep"]
    other.change("trap", {"packages/deep/passwords": File(b"/etc/passwd", SYMLINK)})
    report = workshop.sync()
    assert "deep: passwords: a symbolic link with an absolute path; it is left out" in report.warnings
    assert workshop.plugins()["deep"].tree_id == before.tree_id
    other.change("gone", {path: None for path in other.files if path.startswith("packages/")})
    assert ("deep", "the repository has no folder packages/deep") in [
        (r.plugin, r.reason) for r in workshop.sync().refused
    ]
    assert workshop.plugins()["deep"].is_served


def test_an_unreachable_source_fails_alone(workshop, market):
    market.add_plugin("gone", {"source": "url", "url": (workshop.folder / "nowhere.git").as_uri()})
    report = workshop.sync()
    assert [(r.plugin, r.reason) for r in report.refused] == [("gone", "there is no git repository at this path")]
    assert workshop.plugins()["tool"].is_served


def test_withdrawing_the_permission_ends_the_serving(workshop, market):
    workshop.sync()
    change(workshop, allow_external=False)
    workshop.sync()
    plugin = workshop.plugins()["tool"]
    assert (plugin.is_served, plugin.problem) == (False, "external sources are not allowed in this marketplace")
    change(workshop, allow_external=True)
    workshop.sync()
    assert workshop.plugins()["tool"].is_served


def test_the_known_forms():
    place = external.place_of(EXTERNAL_SOURCES["github"])
    assert (place.url, place.refs, place.folder) == ("https://github.com/northwind/vendored.git", ("HEAD",), "")
    sha = "a" * 40
    assert external.place_of({**EXTERNAL_SOURCES["github"], "ref": "v1", "sha": sha}).refs == (sha,)
    assert external.place_of({**EXTERNAL_SOURCES["url"], "ref": "v1"}).refs == ("refs/heads/v1", "refs/tags/v1")
    assert external.place_of(EXTERNAL_SOURCES["git-subdir"]).folder == "plugins/x"


HTTPS = "https://github.com/acme/tools.git"


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ({"source": "github", "repo": "acme/tools"}, HTTPS),
        ({"source": "github", "repo": "acme/tools.git"}, HTTPS),
        ({"source": "url", "url": "acme/tools"}, HTTPS),
        ({"source": "git-subdir", "url": "acme/tools", "path": "x"}, HTTPS),
        ({"source": "url", "url": "git@github.com:acme/tools.git"}, HTTPS),
        ({"source": "git-subdir", "url": "git@github.com:acme/tools.git", "path": "x"}, HTTPS),
        ({"source": "url", "url": "ssh://git@github.com/acme/tools.git"}, HTTPS),
        ({"source": "url", "url": "ssh://git@github.com:22/acme/tools.git"}, HTTPS),
        ({"source": "url", "url": "ssh://git@ssh.github.com:443/acme/tools.git"}, HTTPS),
        ({"source": "url", "url": "git+ssh://git@github.com/acme/tools.git"}, HTTPS),
        ({"source": "url", "url": "git+https://github.com/acme/tools.git"}, HTTPS),
        ({"source": "url", "url": "https://git@github.com/acme/tools.git"}, HTTPS),
        (
            {"source": "url", "url": "git@gitlab.example:group/below/tools.git"},
            "https://gitlab.example/group/below/tools.git",
        ),
        (
            {"source": "url", "url": "git@ssh.dev.azure.com:v3/org/team/tools"},
            "https://dev.azure.com/org/team/_git/tools",
        ),
        ({"source": "url", "url": "https://bitbucket.org/acme/tools"}, "https://bitbucket.org/acme/tools"),
        ("git@github.com:acme/tools.git", HTTPS),
    ],
)
def test_every_form_of_a_url_is_read_as_https(source, url):
    assert external.place_of(source).url == url


@pytest.mark.parametrize(
    "source",
    [
        EXTERNAL_SOURCES["npm"],
        {"source": "github", "repo": "../../x"},
        {"source": "github", "repo": "a/b/c"},
        {"source": "github", "repo": 7},
        {"source": "url", "url": "https://user:pw@git.example/x.git"},
        {"source": "url", "url": "https://git.example/x.git?x"},
        {"source": "url", "url": "https://[bad/x.git"},
        {"source": "url", "url": None},
        {"source": "url", "url": "https://git.example/a b.git"},
        {"source": "git-subdir", "url": "https://git.example/x.git"},
        {"source": "git-subdir", "url": "https://git.example/x.git", "path": "../x"},
        {"source": "url", "url": "https://git.example/x.git", "ref": "--upload-pack=x"},
        {"source": "url", "url": "https://git.example/x.git", "sha": "v1"},
        {"source": "url", "url": "https://git.example/x.git", "ref": 7},
    ],
)
def test_what_is_no_source_is_refused(source):
    with pytest.raises(SourceInvalid):
        external.place_of(source)
