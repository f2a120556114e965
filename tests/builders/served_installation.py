"""A house in this process behind a socket, with the demonstration marketplace in it: for journeys that plant things in it.

with opened_installation(folder) as installation:
installation.demo.register()
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.builders import flea
from tests.builders.demo_marketplace import DemoMarketplace, synced_demo
from tests.builders.house import House
from tests.builders.house_server import HouseServer
from tests.builders.people import PASSWORD, seed_admin
from tests.builders.target import Target

ENVIRON = {"AGNES_GIT_ALLOW": "file,http,private"}


@dataclass
class ServedInstallation:
    house: House
    target: Target
    demo: DemoMarketplace

    def plant(self, name: str, **given: Any) -> str:
        """An approved entity of Bob's in the flea market; its id. Its name in the feed is `<name>-by-bob`."""
        now = self.house.clock.now()
        return flea.plant(self.house.state, self.house.store, owner_id="bob", name=name, now=now, **given)


@contextmanager
def opened_installation(
    folder: Path, *, environ: dict[str, str] | None = None, **parts: Any
) -> Iterator[ServedInstallation]:
    """`parts` of the wiring in place of its own."""
    with (
        House(folder / "house", environ=ENVIRON | (environ or {}), **parts) as house,
        HouseServer(house) as server,
        Target(server.url, seed_admin(house).email, "", lambda _job: None, admin_password=PASSWORD) as target,
    ):
        yield ServedInstallation(house, target, synced_demo(target, folder))
