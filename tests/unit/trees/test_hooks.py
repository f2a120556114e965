"""Hooks of events that the pinned client does not know, in a file of their own."""

from __future__ import annotations

import json

import pytest

from agnes.trees import packaging
from agnes.trees.hooks import NEWER_FILE, apart
from agnes.trees.model import TreeFile

OURS = f"./{NEWER_FILE}"
RUN = [{"hooks": [{"type": "command", "command": "true"}]}]
ALSO = [{"hooks": [{"type": "command", "command": "date"}]}]


STANDARD = "hooks/hooks.json"


def nothing(_path: str) -> None:
    return None


@pytest.mark.parametrize(
    ("given", "served", "newer"),
    [
        ({"Stop": RUN, "TaskDreamed": ALSO}, [{"Stop": RUN}, OURS], {"TaskDreamed": ALSO}),
        ({"TaskDreamed": RUN}, OURS, {"TaskDreamed": RUN}),
        (
            [{"TaskDreamed": RUN, "Stop": RUN}, "./h.json", {"TaskDreamed": ALSO, "Awoken": RUN}],
            [{"Stop": RUN}, "./h.json", OURS],
            {"TaskDreamed": [*RUN, *ALSO], "Awoken": RUN},
        ),
    ],
)
def test_newer_ones_of_a_manifest_are_taken_apart(given, served, newer) -> None:
    assert apart(given, nothing) == (served, {NEWER_FILE: {"hooks": newer}})


@pytest.mark.parametrize("given", [None, {}, "./h.json", {"Stop": RUN}, ["./h.json", {"Stop": RUN}]])
@pytest.mark.parametrize("file", [None, [], {}, {"hooks": 1}, {"hooks": {"Stop": RUN}}, {"hooks": {"TaskDreamed": 1}}])
def test_what_has_none_stays_as_it_is(given, file) -> None:
    assert apart(given, lambda _path: file) == (given, {})


def test_newer_ones_of_files_are_taken_apart() -> None:
    files = {
        STANDARD: {"description": "Ours", "hooks": {"Stop": RUN, "TaskDreamed": RUN}},
        "h.json": {"hooks": {"TaskDreamed": ALSO}},
    }
    assert apart("./h.json", files.get) == (
        ["./h.json", OURS],
        {
            STANDARD: {"description": "Ours", "hooks": {"Stop": RUN}},
            "h.json": {"hooks": {}},
            NEWER_FILE: {"hooks": {"TaskDreamed": [*RUN, *ALSO]}},
        },
    )
    assert apart(None, {STANDARD: {"hooks": {"TaskDreamed": RUN}}}.get)[0] == OURS


def packaged(manifest: dict, *more: TreeFile) -> packaging.Package:
    return packaging.package(name="p", files=[TreeFile(packaging.MANIFEST, json.dumps(manifest).encode()), *more])


def test_the_package_has_them_in_a_file_and_a_version_of_that_content() -> None:
    one = packaged({"hooks": {"Stop": RUN, "TaskDreamed": RUN}})
    files = {file.path: file.body for file in one.files}
    assert json.loads(files[NEWER_FILE]) == {"hooks": {"TaskDreamed": RUN}}
    assert json.loads(files[packaging.MANIFEST])["hooks"] == [{"Stop": RUN}, OURS]
    other = packaged({"hooks": {"Stop": RUN, "TaskDreamed": ALSO}})
    assert one.version != other.version
    assert one.version == packaged({"hooks": {"TaskDreamed": RUN, "Stop": RUN}}).version


def test_others_are_packaged_as_ever() -> None:
    plain = packaged({"hooks": {"Stop": RUN}})
    assert [file.path for file in plain.files] == [packaging.MANIFEST]
    assert plain.manifest["hooks"] == {"Stop": RUN}


def test_a_plugin_may_not_bring_a_file_of_that_name() -> None:
    with pytest.raises(packaging.ManifestInvalid, match=NEWER_FILE):
        packaged({"hooks": {"TaskDreamed": RUN}}, TreeFile(NEWER_FILE, b"{}"))


@pytest.mark.parametrize(
    "group",
    [
        pytest.param({"hooks": [{"type": "command"}]}, id="no command"),
        pytest.param({"hooks": [{"type": "dream", "command": "x"}]}, id="a type of later"),
        pytest.param({"hooks": [{"type": "command", "command": "x", "timeout": 0}]}, id="no time"),
        pytest.param({"matcher": 7, "hooks": []}, id="no matcher"),
        pytest.param("nonsense", id="nonsense"),
    ],
)
def test_a_form_that_the_oldest_client_refuses_is_taken_apart(group) -> None:
    assert apart({"Stop": [*RUN, group]}, nothing) == (
        [{"Stop": RUN}, OURS],
        {NEWER_FILE: {"hooks": {"Stop": [group]}}},
    )


def test_what_no_client_runs_is_left_out() -> None:
    assert apart("./h.json", {"h.json": {"hooks": {"Stop": RUN, "SessionEnd": 7}}}.get) == (
        "./h.json",
        {"h.json": {"hooks": {"Stop": RUN}}},
    )
