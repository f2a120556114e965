"""What the real client loads of a marketplace, it loads from our feed: the same components under the same names.

Every shape of `tests/samples/accept/marketplace/shapes` is installed from its own repository and from the feed of a person
who was granted all of it, in each tested version.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agnes.claude_code import versions
from tests.builders.demo_marketplace import DemoMarketplace
from tests.builders.git_http_server import GitHttpServer
from tests.builders.loaded_components import Loaded, loaded_of_all
from tests.builders.served_installation import ServedInstallation, opened_installation
from tests.builders.shapes import Shape, shapes

pytestmark = pytest.mark.client


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedInstallation]:
    with opened_installation(tmp_path_factory.mktemp("installation")) as installation:
        yield installation


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHttpServer]:
    folder = tmp_path_factory.mktemp("repositories")
    for shape in shapes():
        shape.repository(folder / f"{shape.name}.git")
    with GitHttpServer(folder) as server:
        yield server


@pytest.fixture(scope="module")
def feed(installation: ServedInstallation, repositories: GitHttpServer) -> str:
    """The git URL of the feed of a person who has every plugin of every shape."""
    vera = installation.demo.person("vera")
    team = installation.demo.group(vera)
    for shape in shapes():
        demo = DemoMarketplace(
            installation.target, installation.demo.admin, installation.demo.repository, slug=shape.name
        )
        demo.register(repositories.url(f"{shape.name}.git"))
        report = demo.sync()
        assert {one["plugin"]: one["reason"] for one in report["refused"]} == shape.refused
        served = [name for name in shape.plugins if name not in shape.refused]
        for plugin in served:
            demo.grant(team, plugin)
        demo.install(vera, *served)
    token = vera.make_token()["token"]
    return f"{installation.target.base_url}/marketplace.git".replace("://", f"://x:{token}@")


@pytest.mark.parametrize("version", versions.TESTED)
def test_the_feed_loads_what_the_original_loads(
    feed: str, repositories: GitHttpServer, tmp_path: Path, version: str
) -> None:
    wanted = shapes()
    originals = loaded_of_all(
        {repositories.url(f"{shape.name}.git"): shape.plugins for shape in wanted}, tmp_path / "original", version
    )
    for shape, original in zip(wanted, originals, strict=True):
        assert _named(original) == dict(shape.loaded), f"what {version} loads of {shape.name}"
        assert sorted(original.refused.keys() | original.errors.keys()) == sorted({*shape.refused, *shape.errors})
    served = [name for shape in wanted for name in shape.plugins if name not in shape.refused]
    (ours,) = loaded_of_all({feed: served}, tmp_path / "feed", version)
    assert ours.refused == {}
    assert sorted(ours.errors) == sorted(name for shape in wanted for name in shape.errors if name not in shape.refused)
    assert _named(ours) == _together(wanted)


def _named(loaded: Loaded) -> dict[str, tuple[str, ...]]:
    return {kind: names for kind, names in {"plugins": loaded.plugins, **loaded.components()}.items() if names}


def _together(wanted: list[Shape]) -> dict[str, tuple[str, ...]]:
    kinds = {kind for shape in wanted for kind in shape.loaded}
    return {kind: tuple(sorted(name for shape in wanted for name in shape.loaded.get(kind, ()))) for kind in kinds}
