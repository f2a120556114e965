from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.builders.answering_api import AnsweringApi, wrote
from tests.builders.copied_installation import Installation
from tests.builders.every_write import install


@pytest.fixture(scope="session")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation in which everything was used once; tests open copies of it."""
    with AnsweringApi({"How many?": wrote("SELECT count(*) AS n FROM usage_session_summary")}) as api:
        yield install(tmp_path_factory.mktemp("used"), api.url)
