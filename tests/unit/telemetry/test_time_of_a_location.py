"""The time of a location may be over between any two steps with its server."""

from __future__ import annotations

import pytest

from agnes.kernel.drops import DropUnreachable
from agnes.outside.drops.sftp import _client_of, _Loop


class Connection:
    def __init__(self) -> None:
        self.asked = 0

    def start_sftp_client(self, **_options: object) -> None:
        self.asked += 1


def test_a_session_is_not_begun_when_the_time_is_over():
    connection = Connection()
    with _Loop(0) as loop, pytest.raises(DropUnreachable) as refused:
        loop.run(_client_of(connection), 10.0, "drops.example.com")
    assert (refused.value.code, connection.asked) == ("location_slow", 0)
