"""The generated reference is what the routes and the commands declare."""

from __future__ import annotations

import pytest

from tests.builders import reference_pages


@pytest.mark.parametrize("name", reference_pages.PAGES)
def test_the_reference_is_current(name: str) -> None:
    assert (reference_pages.FOLDER / name).read_text(encoding="utf-8") == reference_pages.PAGES[name](), (
        "run `make docs`"
    )


def test_every_route_and_command_says_what_it_does() -> None:
    assert "|  |\n" not in reference_pages.routes()
    assert "`\n\n\n" not in reference_pages.commands()
