from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.builders.house import House
from tests.builders.openid_provider import CLIENT, ISSUER, FakeProvider
from tests.builders.people import seed_admin

OIDC = {
    "OIDC_ISSUER": ISSUER,
    "OIDC_CLIENT_ID": CLIENT,
    "OIDC_CLIENT_SECRET": "shh",
    "OIDC_NAME": "Northwind",
    "OIDC_ADMIN_GROUP": "agnes-admins",
}


@pytest.fixture
def environ() -> dict[str, str]:
    return OIDC


@pytest.fixture
def provider(environ) -> FakeProvider:
    return FakeProvider(now=lambda: None)


@pytest.fixture
def house(tmp_path, environ, provider) -> Iterator[House]:
    with House(tmp_path, environ=environ, provider_web=provider) as house:
        provider.now = house.clock.now
        yield house
        house.state.close()


@pytest.fixture
def admin(house):
    return seed_admin(house)
