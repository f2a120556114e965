"""What may be written into the folder that Claude Code runs from, whatever the way it came."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from pathlib import Path

import pytest

from agnes_cli import download
from agnes_cli.failures import Failure
from agnes_cli.marketplace_copy import MarketplaceCopy, Member, UnsafeDownload
from agnes_local.demo_repository import BareRepository, File
from tests.builders.sample_marketplace import HOSTILE_FILES

pytestmark = pytest.mark.slow

SERVER = "https://agnes.example"
FIRST, SECOND = "a" * 40, "b" * 40
CATALOG = ".claude-plugin/marketplace.json"


def catalog(*names: str) -> bytes:
    plugins = [{"name": name, "source": f"./plugins/{name}", "version": "1.0.0"} for name in names]
    return json.dumps({"name": "agnes", "plugins": plugins}).encode()


def view(*names: str) -> list[Member]:
    return [Member(CATALOG, False, catalog(*names)), *(Member(f"plugins/{n}/a.md", False, b"x") for n in names)]


@pytest.fixture
def copy(tmp_path: Path) -> MarketplaceCopy:
    copy = MarketplaceCopy(tmp_path / "home")
    with copy.locked():
        copy.replace(view("finops"), server=SERVER, commit=FIRST)
    return copy


def assert_untouched(copy: MarketplaceCopy) -> None:
    assert copy.commit(SERVER) == FIRST
    assert copy.catalog().versions == {"finops": "1.0.0"}
    assert (copy.folder / "plugins/finops/a.md").read_bytes() == b"x"
    assert sorted(path.name for path in copy.home.iterdir()) == ["marketplace", "marketplace.lock"]


def test_a_copy_is_replaced_whole(copy):
    copy.replace(view("chartkit"), server=SERVER, commit=SECOND)
    assert (copy.commit(SERVER), copy.commit("https://other.example")) == (SECOND, "")
    assert not (copy.folder / "plugins/finops").exists()


@pytest.mark.parametrize("kind", sorted(set(HOSTILE_FILES) - {"setuid mode"}))
@pytest.mark.git
def test_hostile_files_do_not_come_by_git(copy, tmp_path, kind):
    files = {CATALOG: File(catalog("trap"))} | {f"plugins/trap/{p}": f for p, f in HOSTILE_FILES[kind].items()}
    repository = BareRepository(tmp_path / "m.git", files)
    commit = repository.commit("hostile")
    with pytest.raises(Failure):
        copy.replace(download._git_members(repository.folder, commit), server=SERVER, commit=commit)
    assert_untouched(copy)
    assert not (tmp_path / "escaped.md").exists()


@pytest.mark.parametrize("kind", sorted(set(HOSTILE_FILES) - {"setuid mode", "submodule"}))
def test_hostile_files_do_not_come_by_zip(copy, kind):
    """A zip knows no submodules."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr(CATALOG, catalog("trap"))
        for path, file in HOSTILE_FILES[kind].items():
            info = zipfile.ZipInfo(f"plugins/trap/{path}")
            info.filename = f"plugins/trap/{path}"
            info.external_attr = file.mode << 16
            archive.writestr(info, file.body)
    with zipfile.ZipFile(body) as archive, pytest.raises(UnsafeDownload):
        copy.replace(download._zip_members(archive), server=SERVER, commit=SECOND)
    assert_untouched(copy)


@pytest.mark.parametrize(
    "member",
    [
        pytest.param(Member("/etc/passwd", False, b""), id="absolute"),
        pytest.param(Member("a//b", False, b""), id="empty-segment"),
        pytest.param(Member("plugins/finops", False, b""), id="file-for-a-folder"),
        pytest.param(Member("plugins/finops/a.md/b", False, b""), id="folder-for-a-file"),
        pytest.param(Member("plugins/FINOPS/a.md", False, b""), id="same-name-in-capitals"),
        pytest.param(Member("a/" * 250 + "b", False, b""), id="too-deep"),
    ],
)
def test_members_that_cannot_be_placed(copy, member):
    with pytest.raises(Failure):
        copy.replace([*view("finops"), member], server=SERVER, commit=SECOND)
    assert_untouched(copy)


def test_a_view_without_a_catalog_or_a_version_is_none(copy):
    for members, commit in (([Member("a.md", False, b"x")], SECOND), (view("finops"), "../../x")):
        with pytest.raises(UnsafeDownload):
            copy.replace(members, server=SERVER, commit=commit)
    assert_untouched(copy)


def test_a_download_that_breaks_off_changes_nothing(copy):
    def breaking():
        yield from view("chartkit")
        raise ConnectionResetError

    with pytest.raises(Failure):
        copy.replace(breaking(), server=SERVER, commit=SECOND)
    assert_untouched(copy)


def test_what_the_view_says_of_itself_is_not_believed(copy):
    said = Member(".agnes/version.json", False, json.dumps({"server": SERVER, "version": FIRST}).encode())
    copy.replace([*view("chartkit"), said], server="https://other.example", commit=SECOND)
    assert (copy.commit(SERVER), copy.commit("https://other.example")) == ("", SECOND)


@pytest.mark.parametrize(
    "document",
    [
        b"{",
        b"[]",
        b'{"name": "agnes"}',
        b'{"name": "--help", "plugins": []}',
        b'{"name": "agnes", "plugins": [{"name": "-y"}]}',
        b'{"name": "agnes", "plugins": [{"name": "../x"}]}',
        b'{"name": "agnes", "plugins": [{"name": 7}]}',
        b'{"name": "agnes", "plugins": ["x"]}',
    ],
)
def test_a_catalog_whose_names_could_be_something_else_is_refused(copy, document):
    copy.replace([Member(CATALOG, False, document)], server=SERVER, commit=SECOND)
    with pytest.raises(UnsafeDownload):
        copy.catalog()


def test_a_zip_that_lies_about_its_sizes_is_refused(copy):
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(CATALOG, catalog("finops") + b" " * 100_000)
    lying = body.getvalue().replace(
        (100_000 + len(catalog("finops"))).to_bytes(4, "little"), (90).to_bytes(4, "little")
    )
    assert lying != body.getvalue()
    with zipfile.ZipFile(io.BytesIO(lying)) as archive, pytest.raises(zipfile.BadZipFile):
        list(download._zip_members(archive))


def test_modes_are_the_owners_only_whatever_the_view_says(copy, tmp_path):
    files = {CATALOG: File(catalog("trap"))} | {f"plugins/trap/{p}": f for p, f in HOSTILE_FILES["setuid mode"].items()}
    repository = BareRepository(tmp_path / "m.git", files)
    commit = repository.commit("setuid")
    copy.replace(download._git_members(repository.folder, commit), server=SERVER, commit=commit)
    assert stat.S_IMODE(copy.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in copy.folder.rglob("*") if path.is_file()} == {0o600, 0o700}
