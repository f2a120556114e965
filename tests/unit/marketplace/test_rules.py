"""What a marketplace may be called."""

from __future__ import annotations

import pytest

from agnes.kernel.errors import BadRequestError
from agnes.marketplace import rules


@pytest.mark.parametrize(
    ("address", "slug"),
    [
        ("https://github.com/acme/finance-tools.git", "finance-tools"),
        ("https://github.com/Acme/Plugins", "acme-plugins"),
        ("https://git.example.com/agnes.git", "git-example-com-agnes"),
        ("https://example.com/a/My Tools!.git/", "my-tools"),
        ("file:///srv/repos/guild.git", "guild"),
    ],
)
def test_an_address_suggests_a_slug(address: str, slug: str):
    assert rules.slug_of(address) == slug


@pytest.mark.parametrize("address", ["", "https://", "https://x/..git"])
def test_an_address_that_suggests_none_is_refused(address: str):
    with pytest.raises(BadRequestError):
        rules.slug_of(address)
