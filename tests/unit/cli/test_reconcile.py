from __future__ import annotations

import pytest

from agnes_cli.claude_code import Installed
from agnes_cli.reconcile import news, plan

pytestmark = pytest.mark.slow


def steps(served, *installed) -> list[str]:
    found = plan(served, [Installed(*each) for each in installed], scope="project")
    return [f"{step.verb} {step.name} {step.scope}" for step in found]


@pytest.mark.parametrize(
    ("served", "installed", "wanted"),
    [
        pytest.param({}, [], [], id="nothing"),
        pytest.param({"a": "1"}, [], ["install a project"], id="missing"),
        pytest.param({"a": "1"}, [("a", "1", "project")], [], id="there"),
        pytest.param({"a": "2"}, [("a", "1", "project")], ["update a project"], id="changed"),
        pytest.param({"a": "1"}, [("a", "2", "project")], ["update a project"], id="rolled-back"),
        pytest.param({"a": "2"}, [("a", "", "project")], ["update a project"], id="version-unknown"),
        pytest.param({"a": "2"}, [("a", "1", "user")], ["update a user"], id="where-it-is"),
        pytest.param(
            {"a": "2"}, [("a", "1", "user"), ("a", "1", "local")], ["update a user", "update a local"], id="twice"
        ),
        pytest.param({"b": "1"}, [("a", "1", "user")], ["uninstall a user", "install b project"], id="renamed"),
        pytest.param({}, [("a", "1", "project")], [], id="an-empty-view-removes-nothing"),
        pytest.param({"b": "1"}, [("a", "1", "user", True), ("b", "1", "user")], [], id="a-namesake-stays"),
        pytest.param({"a": "2"}, [("a", "1", "user", True)], ["update a user"], id="a-namesake-is-updated"),
    ],
)
def test_steps(served, installed, wanted):
    assert steps(served, *installed) == wanted


@pytest.mark.parametrize(
    ("served", "applied", "wanted"),
    [
        ({"a": "1"}, {"a": "1"}, []),
        ({"a": "1"}, {}, ["a is new"]),
        ({"a": "2"}, {"a": "1"}, ["a has a new version"]),
        ({"b": "1"}, {"a": "1", "b": "1"}, ["a left your stack"]),
        ({}, {"a": "1"}, []),
    ],
)
def test_news(served, applied, wanted):
    assert news(served, applied) == wanted


def test_what_was_renamed_is_installed_where_it_was_before_the_old_one_goes():
    installed = [Installed("alpha", "1", "user"), Installed("other", "1", "project")]
    found = plan({"beta": "2", "other": "1"}, installed, scope="project", renames={"alpha": "beta", "gone": "else"})
    assert [(step.verb, step.name, step.scope) for step in found] == [
        ("install", "beta", "user"),
        ("uninstall", "alpha", "user"),
    ]
    both = [*installed, Installed("beta", "2", "user")]
    found = plan({"beta": "2", "other": "1"}, both, scope="project", renames={"alpha": "beta"})
    assert [(step.verb, step.name) for step in found] == [("uninstall", "alpha")]
