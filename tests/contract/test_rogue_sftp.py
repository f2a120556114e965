"""An SFTP server that hangs, dies or lies costs itself its time, and nobody else anything."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from agnes.kernel.drops import DropPattern, DropUnreachable
from agnes.outside.drops import OutsideDrops, sftp
from tests.builders.patience import PATIENCE_SECONDS, longer_and_longer
from tests.builders.rogue_sftp import Conduct, Rogue, rogue_sftp

pytestmark = pytest.mark.slow

DROPS = OutsideDrops(allow=frozenset({"private"}))
EVERYBODY = DropPattern.parse("/{user}/*.jsonl")


def listed(rogue: Rogue, *, seconds: float = PATIENCE_SECONDS, limit: int = 100) -> list[tuple[str, str | None]]:
    with DROPS.open(rogue.place, rogue.credential, seconds=seconds) as drop:
        return [(file.path, file.problem) for file in drop.files(EVERYBODY, limit=limit)]


def test_a_password_signs_in() -> None:
    with rogue_sftp(Conduct(files={b"x.jsonl": b"{}"})) as rogue:
        assert listed(rogue) == [("/ada/x.jsonl", None)]


def test_names_that_lead_elsewhere_are_not_even_looked_at() -> None:
    files = dict.fromkeys(
        (b"../../etc/x.jsonl", b"/abs.jsonl", b"..", b"", b"a\0b.jsonl", b"ok.jsonl", b"no\xfftext.jsonl"), b"{}"
    )
    with rogue_sftp(Conduct(files=files)) as rogue:
        assert listed(rogue) == [("/ada/no\\xfftext.jsonl", "bad_name"), ("/ada/ok.jsonl", None)]


def test_an_endless_folder_is_cut() -> None:
    with rogue_sftp(Conduct(files={}, endless=True)) as rogue:
        assert len(listed(rogue, limit=50)) <= 50


def test_one_that_hangs_is_given_up() -> None:
    with rogue_sftp(Conduct(files={b"x.jsonl": b"{}"}, hang_on_list=True)) as rogue:
        for seconds in longer_and_longer(0.7):
            with pytest.raises(DropUnreachable) as gone:
                listed(rogue, seconds=seconds)
            assert gone.value.code == "location_slow"
            if rogue.conduct.hung:
                break
        assert rogue.conduct.hung


@pytest.mark.parametrize("conduct", ["die_reading", "hang_reading"])
def test_one_that_dies_or_hangs_within_a_file(conduct: str) -> None:
    body = b"x" * 3_000_000
    files = {b"a.jsonl": b"{}", b"b.jsonl": body}
    with rogue_sftp(Conduct(files=files, **{conduct: b"b.jsonl"})) as rogue:
        for seconds in longer_and_longer(2.0):
            read = []
            with pytest.raises(DropUnreachable), DROPS.open(rogue.place, rogue.credential, seconds=seconds) as drop:
                read.extend(drop.read(file) for file in drop.files(EVERYBODY, limit=10))
            if rogue.conduct.hung:
                break
        assert rogue.conduct.hung
        assert read == [b"{}"]


def test_a_size_that_is_a_lie_reads_what_there_is() -> None:
    with (
        rogue_sftp(Conduct(files={b"x.jsonl": b"{}"}, lie_about_size=40_000_000)) as rogue,
        DROPS.open(rogue.place, rogue.credential, seconds=PATIENCE_SECONDS) as drop,
    ):
        [file] = drop.files(EVERYBODY, limit=10)
        assert drop.read(file) == b"{}"


def test_a_host_that_is_no_ssh_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, rogue_sftp(Conduct()) as rogue:
        place = replace(rogue.place, port=silent.getsockname()[1])
        with pytest.raises(DropUnreachable), DROPS.open(place, rogue.credential, seconds=0.5):
            pass
        assert sftp.CONNECT_SECONDS < 28  # an API function may ask for a host key
