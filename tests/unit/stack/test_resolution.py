"""What is served of what somebody has: closed under dependencies, nothing left out without a reason that is true.

The reference is a plain reading of the rule, which looks at every choice of versions of a small catalogue.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from agnes.claude_code.dependencies import is_within
from agnes.marketplace.model import Need
from agnes.stack.model import Claim
from agnes.stack.resolution import MISSING, Candidate, Resolution, decide, missing

NAMES = ("a", "b", "c", "d", "B")
MARKETPLACES = ("m", "n")
VERSIONS = ("1.0.0+x", "1.4.0+y", "2.1.0+z", "3.0.0-beta.1+w", "0.0.0+v")
RANGES = ("", "", "", "^1", "^2", ">=1", "~1.4.0", "*", "^3.0.0-0", "nonsense")
KEYS = tuple(f"{m}/{name}" for m in MARKETPLACES for name in NAMES)

Catalogue = dict[str, tuple[Candidate, ...] | str]


def need(key: str, wanted: str = "") -> Need:
    marketplace, _, name = key.partition("/")
    return Need(key, name, marketplace, wanted)


def candidate(key: str, version: str = "1.0.0+x", *needs: Need) -> Candidate:
    marketplace, _, name = key.partition("/")
    return Candidate(key, Claim("curated", marketplace, name), version, needs)


@st.composite
def catalogues(draw: st.DrawFn) -> tuple[Catalogue, list[str]]:
    """A catalogue in which some plugins may not be had, and what somebody has of it."""
    found: Catalogue = {}
    most = draw(st.integers(1, 2))
    for key in draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=6, unique=True)):
        if draw(st.integers(0, 5)) == 0:
            found[key] = "is not granted to any of your groups"
            continue
        versions = draw(st.lists(st.sampled_from(VERSIONS), min_size=1, max_size=most, unique=True))
        found[key] = tuple(candidate(key, version, *draw(needs())) for version in versions)
    has = [key for key, candidates in found.items() if not isinstance(candidates, str)]
    return found, draw(st.lists(st.sampled_from(has), unique=True, max_size=5)) if has else []


def needs() -> st.SearchStrategy[list[Need]]:
    one = st.builds(need, st.sampled_from((*KEYS[:7], "")), st.sampled_from(RANGES))
    return st.lists(one, max_size=2, unique_by=lambda n: n.resource_id)


def entitled(catalogue: Catalogue, has: list[str]) -> Resolution:
    def lookup(key: str) -> tuple[Candidate, ...] | str:
        """Made anew each time, as the callers do."""
        of = catalogue.get(key, "is not in the catalog")
        return of if isinstance(of, str) else tuple(replace(one) for one in of)

    return decide([catalogue[key] for key in has], lookup)


def texts(of: Resolution) -> dict[str, str]:
    return {key: reason.text for key, reason in of.withheld.items()}


def is_open(chosen: dict[str, Candidate]) -> bool:
    """Whether something lacks a dependency, or two things have one name."""
    lacks = any(
        n.resource_id not in chosen or (n.range and not is_within(chosen[n.resource_id].version, n.range))
        for one in chosen.values()
        for n in one.needs
    )
    return lacks or len({one.claim.name.casefold() for one in chosen.values()}) < len(chosen)


def closures(catalogue: Catalogue, base: dict[str, Candidate], key: str) -> bool:
    """Whether `key` can be added to `base` as that is: by trying every set of more plugins in every version."""
    others = [k for k, c in catalogue.items() if not isinstance(c, str) and k not in base and k != key]
    for size in range(len(others) + 1):
        for more in itertools.combinations(others, size):
            for versions in itertools.product(*(catalogue[k] for k in (key, *more))):
                if not is_open(base | {one.key: one for one in versions}):
                    return True
    return False


@settings(max_examples=400, deadline=None)
@given(catalogues())
@example(
    ({"m/a": (candidate("m/a", "1.0.0", need("m/b")),), "m/b": (candidate("m/b", "1.0.0", need("m/a")),)}, ["m/a"])
)
def test_no_view_is_open_and_nothing_is_left_out_without_a_reason(given_):
    catalogue, has = given_
    found = entitled(catalogue, has)
    chosen = {key: one.candidate for key, one in found.served.items()}
    assert not is_open(chosen)
    assert {key for key, one in found.served.items() if one.is_own} == set(has) - set(found.withheld)
    assert set(found.withheld) <= set(has)
    assert all(reason.text for reason in found.withheld.values())
    assert all(one.candidate in catalogue[key] for key, one in found.served.items())
    for key, one in found.served.items():
        assert set(one.required_by) == {k for k, c in chosen.items() if key in {n.resource_id for n in c.needs}} - {key}
        assert one.is_own or one.required_by
    if all(isinstance(c, str) or len(c) == 1 for c in catalogue.values()):  # a choice is made for ranges alone
        assert not any(closures(catalogue, chosen, key) for key in found.withheld)


@settings(max_examples=300, deadline=None)
@given(catalogues())
def test_what_can_be_served_alone_is_served_alone(given_):
    """One plugin by itself against every choice of versions: older versions are only taken where that is needed."""
    catalogue, has = given_
    for key in has:
        newest: Catalogue = {k: c if isinstance(c, str) else c[:1] for k, c in catalogue.items()}
        assert (key in entitled(newest, [key]).served) == closures(newest, {}, key)
        if key in entitled(newest, [key]).served:
            assert entitled(catalogue, [key]).served == entitled(newest, [key]).served


@settings(max_examples=200, deadline=None)
@given(catalogues())
def test_without_dependencies_the_first_of_a_name_has_it(given_):
    catalogue, has = given_
    plain = {k: c if isinstance(c, str) else tuple(candidate(k, v.version) for v in c) for k, c in catalogue.items()}
    found = entitled(plain, has)
    first: dict[str, str] = {}
    for key in has:
        first.setdefault(key.partition("/")[2].casefold(), key)
    assert set(found.served) == set(first.values())


def test_what_is_added_says_for_whose_sake():
    catalogue = {
        "m/report": (candidate("m/report", "1.0.0", need("m/charts", "^2"), need("n/fmt")),),
        "m/charts": (candidate("m/charts", "2.1.0+abc"),),
        "n/fmt": (candidate("n/fmt", "0.0.0+abc", need("m/charts")),),
    }
    found = entitled(catalogue, ["m/report"])
    assert {key: (one.is_own, one.required_by) for key, one in found.served.items()} == {
        "m/report": (True, ()),
        "m/charts": (False, ("m/report", "n/fmt")),
        "n/fmt": (False, ("m/report",)),
    }


def test_an_older_version_is_taken_where_a_range_wants_it():
    catalogue = {
        "m/charts": (candidate("m/charts", "2.1.0+a"), candidate("m/charts", "1.4.0+b")),
        "m/report": (candidate("m/report", "1.0.0", need("m/charts", "^1")),),
        "m/other": (candidate("m/other", "1.0.0", need("m/charts", "^2")),),
    }
    assert entitled(catalogue, ["m/charts"]).served["m/charts"].candidate.version == "2.1.0+a"
    assert entitled(catalogue, ["m/charts", "m/report"]).served["m/charts"].candidate.version == "1.4.0+b"
    both = entitled(catalogue, ["m/report", "m/other"])
    assert texts(both) == {
        "m/other": f"{MISSING}charts of m is served as 2.1.0, and other needs ^2 and report needs ^1"
    }


def test_reasons_name_the_dependency_and_what_needs_it():
    catalogue: Catalogue = {
        "m/a": (candidate("m/a", "1.0.0", need("m/b")),),
        "m/b": (candidate("m/b", "1.0.0", need("n/c")),),
        "n/c": "is not granted to any of your groups",
        "m/d": (candidate("m/d", "1.0.0", Need("", "x", "tools", "")),),
        "n/B": (candidate("n/B"),),
    }
    found = entitled(catalogue, ["m/a", "m/d"])
    assert texts(found) == {
        "m/a": f"{MISSING}c of n (needed by b) is not granted to any of your groups",
        "m/d": f"{MISSING}x of tools is of a marketplace that is not registered",
    }
    catalogue["n/c"] = (candidate("n/c"),)
    found = entitled(catalogue, ["m/a", "n/B"])
    assert texts(found) == {
        "m/a": f"{MISSING}b of m cannot be served: the name is taken by B of n (curated)",
    }


def test_what_cannot_be_served_holds_no_name():
    catalogue: Catalogue = {
        "m/a": (candidate("m/a", "1.0.0", need("m/gone")),),
        "n/a": (candidate("n/a"),),
        "n/b": (candidate("n/b", "1.0.0", need("n/a")),),
    }
    found = entitled(catalogue, ["m/a", "n/a", "n/b"])
    assert set(found.served) == {"n/a", "n/b"}
    assert texts(found) == {"m/a": f"{MISSING}gone of m is not in the catalog"}


def test_adding_a_plugin_may_not_take_one_away():
    catalogue = {
        "m/charts": (candidate("m/charts", "1.4.0"),),
        "m/one": (candidate("m/one", "1.0.0", need("m/charts", "^1")),),
        "m/two": (candidate("m/two", "1.0.0", need("m/charts", "^2")),),
    }
    before = [catalogue["m/one"]]
    assert missing(catalogue["m/two"], before, lambda key: catalogue[key])
    assert missing(catalogue["m/charts"], before, lambda key: catalogue[key]) is None
