"""A house in this process behind a socket, with the demonstration marketplace in it: for journeys that plant things in it.

with opened_square(folder) as square:
square.guild.register()
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.builders import flea
from tests.builders.guild import Guild, synced_guild
from tests.builders.house import House
from tests.builders.house_server import HouseServer
from tests.builders.people import PASSWORD, seed_admin
from tests.builders.target import Target

ENVIRON = {"AGNES_GIT_ALLOW": "file,http,private"}


@dataclass
class Square:
    house: House
    target: Target
    guild: Guild

    def plant(self, name: str, **given: Any) -> str:
        """An approved entity of Bob's in the flea market; its id. Its name in the feed is `<name>-by-bob`."""
        now = self.house.clock.now()
        return flea.plant(self.house.state, self.house.store, owner_id="bob", name=name, now=now, **given)


@contextmanager
def opened_square(folder: Path, *, environ: dict[str, str] | None = None, **parts: Any) -> Iterator[Square]:
    """`parts` of the wiring in place of its own."""
    with (
        House(folder / "house", environ=ENVIRON | (environ or {}), **parts) as house,
        HouseServer(house) as server,
        Target(server.url, seed_admin(house).email, "", lambda _job: None, admin_password=PASSWORD) as target,
    ):
        yield Square(house, target, synced_guild(target, folder))
