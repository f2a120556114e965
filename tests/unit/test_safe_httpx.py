"""The Claude client of an address that an admin entered: what its name leads to is judged at each connection."""

from __future__ import annotations

import socket
import threading

import httpx2
import pytest

from agnes.kernel.llm import ChatMessage, ModelUnavailable, Prompt
from agnes.kernel.ports import Secret
from agnes.outside.claude import Claude
from agnes.outside.egress.errors import PrivateAddress
from agnes.outside.safe_httpx import SafeTransport


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


def called(listener: socket.socket) -> bool:
    listener.settimeout(0)
    try:
        listener.accept()
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "2130706433", "[::ffff:127.0.0.1]"])
def test_a_name_that_leads_here_is_not_connected_to(listener, host):
    port = listener.getsockname()[1]
    with httpx2.Client(transport=SafeTransport()) as client, pytest.raises(PrivateAddress):
        client.get(f"http://{host}:{port}/")
    assert not called(listener)


def test_a_judged_address_is_asked_by_its_name(listener):
    listener.settimeout(None)
    asked: list[bytes] = []

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    serving = threading.Thread(target=answer, daemon=True)
    serving.start()
    port = listener.getsockname()[1]
    with httpx2.Client(transport=SafeTransport(allow_private=True)) as client:
        assert client.get(f"http://localhost:{port}/").text == "ok"
    serving.join()
    assert f"Host: localhost:{port}".lower().encode() in asked[0].lower()


def test_the_model_is_away_where_its_address_is_private(listener):
    claude = Claude(
        lambda: Secret("sk-ant-x"), base_url=f"http://localhost:{listener.getsockname()[1]}", only_public=True
    )
    with pytest.raises(ModelUnavailable):
        claude.answer(PROMPT)
    assert not called(listener)


PROMPT = Prompt(
    model="claude-haiku-4-5", system="", turns=(ChatMessage("user", "Hello"),), schema={"type": "object"}, seconds=5
)
