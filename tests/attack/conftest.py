"""Everything here is the attack (`make attack`): one installation for all of it, and counts at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attack.installation import AttackedInstallation, installation

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.attack)
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def the_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AttackedInstallation]:
    with installation(tmp_path_factory.mktemp("installation")) as found:
        yield found


@pytest.fixture
def attacked(the_town: AttackedInstallation, record_property) -> Iterator[AttackedInstallation]:
    """The installation; afterwards nothing unexpected is in its log, and the calls are counted."""
    before, known = the_town.calls, set(the_town.unexpected())
    yield the_town
    record_property("calls", the_town.calls - before)
    assert [line for line in the_town.unexpected() if line not in known] == []


def pytest_terminal_summary(terminalreporter) -> None:
    counts: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") != "teardown":
                continue
            counts.update({name: number for name, number in report.user_properties if isinstance(number, int)})
    for name, number in sorted(counts.items()):
        terminalreporter.write_line(f"attack: {number:,} {name}")
