"""Every place that takes an address: none reaches this machine, a private network or a cloud's metadata.

The installation allows `file` for git and nothing else, so every other address here must be refused, and a port that listens
here must never be called. Fields that hold an address are found in the models of the routes; a new one fails until it is attacked.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from agnes.edge.origin import SAFE_METHODS
from tests.attack.installation import AttackedInstallation, new_word, routes

ADDRESS_FIELDS = ("url", "endpoint", "host", "address", "uri", "webhook", "callback", "registry", "proxy")
ATTACKED = {
    ("POST", "/api/marketplaces", "url"), ("PATCH", "/api/marketplaces/{id}", "url"), ("POST", "/admin/marketplaces", "url"),
    *((method, f"/api/admin/{word}/locations{rest}", field)
      for word in ("telemetry", "usage") for field in ("host", "endpoint")
      for method, rest in (("POST", ""), ("PATCH", "/{id}"), ("POST", "/test"))),
    ("POST", "/admin/system/locations", "host"), ("POST", "/admin/system/locations", "endpoint"),
    ("POST", "/admin/server-config", "ai__base_url"),
}  # fmt: skip
NOT_ASKED = {
    ("POST", "/admin/server-config", "email__from_address"): "an address of mail",
    ("POST", "/admin/server-config", "email__smtp_host"): "an organisation's mail server is on its own network",
    ("POST", "/api/admin/configure", "keboola_url"): "refused: sources of tables are registered elsewhere",
}


def hosts(port: int) -> list[str]:
    """Spellings of what is not public."""
    return [
        f"127.0.0.1:{port}", f"localhost:{port}", f"127.1:{port}", f"2130706433:{port}", f"0x7f.0.0.1:{port}", f"0177.0.0.1:{port}",
        f"[::1]:{port}", f"[::ffff:127.0.0.1]:{port}", f"[::ffff:7f00:1]:{port}", f"[64:ff9b::7f00:1]:{port}", f"0.0.0.0:{port}", f"[::]:{port}",
        f"\u2460\u2461\u2466.0.0.1:{port}", f"127\u30020\u30020\u30021:{port}", f"localhost.:{port}", f"LOCALHOST:{port}",
        f"public.example@127.0.0.1:{port}", f"127.0.0.1:{port}#@public.example", f"127.0.0.1:{port}?public.example",
        f"127.0.0.1\\@public.example:{port}", f"127.0.0.1%00.public.example:{port}",
        "169.254.169.254", "[fe80::1%25eth0]", "[fd00:ec2::254]", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "192.0.0.1", "198.18.0.1",
        "224.0.0.1", "255.255.255.255", "[fec0::1]", "[2002:7f00:1::]", "192.88.99.1",
    ]  # fmt: skip


def addresses(port: int) -> list[str]:
    schemes = ("https", "http")
    others = [
        f"ssh://127.0.0.1:{port}/x", f"git://127.0.0.1:{port}/x", f"ftp://127.0.0.1:{port}/x", f"gopher://127.0.0.1:{port}/_x",
        "data:text/plain,x", "javascript:1", "ext::sh -c id", "--upload-pack=id", f"git@127.0.0.1:{port}", "jar:http://127.0.0.1/x!/", "//127.0.0.1/x",
        "https:127.0.0.1", "https://", "https:///x", "https://[::1", "https://127.0.0.1:99999/x", f"HTTPS://127.0.0.1:{port}/x", f" https://127.0.0.1:{port}/x",
        f"https://127.0.0.1:{port}/x\r\nHost: y",
    ]  # fmt: skip
    return [f"{scheme}://{host}/x.git" for scheme in schemes for host in hosts(port)] + others


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        found.settimeout(0)
        yield found


def test_every_field_that_holds_an_address_is_attacked():
    found = {
        (route.method, route.path, name)
        for route in routes()
        if route.contract.body is not None
        for name in getattr(route.contract.body, "model_fields", ())
        if any(word in name.split("_") for word in ADDRESS_FIELDS)
    }
    assert {(m, p, f) for m, p, f in found if f != "host_key"} - ATTACKED == MORE_FORMS | NOT_ASKED.keys()
    assert found >= ATTACKED


MORE_FORMS = {("POST", "/admin/marketplaces/{id}", "url")}
"""The form of the page that changes a marketplace, attacked as PATCH is."""


def uncalled(listener: socket.socket) -> bool:
    try:
        listener.accept()
    except BlockingIOError:
        return True
    return False


def test_a_marketplace_reaches_nothing_that_is_not_public(
    attacked: AttackedInstallation, listener: socket.socket, record_property
):
    admin, tried = attacked.callers["an admin"], 0
    own = {(r.method, r.path): r for r in routes() if r.method not in SAFE_METHODS}
    for address in addresses(listener.getsockname()[1]):
        slug = f"ssrf-{new_word()}"
        wish = {"name": "X", "slug": slug, "url": address}
        made = attacked.call(own["POST", "/api/marketplaces"], admin, "/api/marketplaces", json=wish)
        if made.status_code == 201:  # kept as it is written, and refused when it is read
            synced = attacked.call(own["POST", "/api/marketplaces/{id}/sync"], admin, f"/api/marketplaces/{slug}/sync")
            assert synced.status_code >= 400, address
        else:
            assert made.status_code in (400, 422), f"{address}: {made.text}"
        path = f"/api/marketplaces/{attacked.demo.slug}"
        changed = attacked.call(own["PATCH", "/api/marketplaces/{id}"], admin, path, json={"url": address})
        if changed.status_code == 200:  # a name, which is judged by what it resolves to when it is read
            synced = attacked.call(own["POST", "/api/marketplaces/{id}/sync"], admin, f"{path}/sync")
            assert synced.status_code >= 400, address
        else:
            assert changed.status_code in (400, 422), f"{address}: {changed.text}"
        for page in ("/admin/marketplaces", f"/admin/marketplaces/{attacked.demo.slug}"):
            attacked.send(
                "POST",
                page,
                data={**wish, "slug": f"form-{new_word()}"},
                headers={"Authorization": f"Bearer {admin.token}"},
            )
        assert uncalled(listener), address
        tried += 1
    record_property("addresses", tried)
    attacked.demo.admin.call("PATCH", path, json={"url": attacked.demo.repository.url})
    assert attacked.demo.sync()["added"] == []


def test_a_location_reaches_nothing_that_is_not_public(
    attacked: AttackedInstallation, listener: socket.socket, record_property
):
    admin, port, tried = attacked.callers["an admin"], listener.getsockname()[1], 0
    own = {(r.method, r.path): r for r in routes()}
    test = own["POST", "/api/admin/telemetry/locations/test"]
    common = {"pattern": "{email}/{session}.jsonl", "matching": "email"}
    for host in hosts(port):
        bare = host.rpartition(":")[0] if host.endswith(f":{port}") else host
        for wish in (
            {**common, "id": "a", "kind": "sftp", "host": bare.strip("[]"), "port": port, "username": "x",
             "credential": {"password": "x"}},
            {**common, "id": "b", "kind": "s3", "bucket": "bucket-x", "region": "eu-west-1", "endpoint": f"https://{host}"},
            {**common, "id": "c", "kind": "s3", "bucket": "bucket-x", "region": "eu-west-1", "endpoint": f"http://{host}"},
        ):  # fmt: skip
            answer = attacked.call(test, admin, "/api/admin/telemetry/locations/test", json=wish)
            assert answer.status_code in (400, 409, 422, 502, 503) or not answer.json().get("ok", True), answer.text
            assert uncalled(listener), f"{host}: {wish}"
            tried += 1
    record_property("addresses", tried)


def test_what_admins_enter_in_pages_reaches_nothing_that_is_not_public(
    attacked: AttackedInstallation, listener: socket.socket, record_property
):
    """The page of locations asks nothing; what it keeps is judged when it is collected. An address of the model that was
    saved by its name is judged when it is connected to (tests/unit/test_safe_httpx.py)."""
    port, tried = listener.getsockname()[1], 0
    headers = {"Authorization": f"Bearer {attacked.callers['an admin'].token}"}
    for host in hosts(port):
        bare = host.rpartition(":")[0] if host.endswith(f":{port}") else host
        drop = {"action": "add", "id": f"drop-{new_word()}", "pattern": "{email}/{session}.jsonl"}
        for wish in (
            {**drop, "kind": "sftp", "host": bare.strip("[]"), "port": port, "username": "x", "password": "x"},
            {**drop, "kind": "s3", "bucket": "bucket-x", "region": "eu-west-1", "endpoint": f"https://{host}"},
        ):
            attacked.send("POST", "/admin/system/locations", data=wish, headers=headers)
            attacked.send(
                "POST", "/admin/system/locations", data={"action": "remove", "id": wish["id"]}, headers=headers
            )
            assert uncalled(listener), f"{host}: {wish}"
        for scheme in ("http", "https"):
            model = {"action": "ai", "ai__base_url": f"{scheme}://{host}", "ai__api_key": "x", "ai__model": "haiku"}
            answer = attacked.send("POST", "/admin/server-config", data=model, headers=headers)
            assert answer.status_code in (400, 422), f"{scheme}://{host}: {answer.text[:300]}"
            assert uncalled(listener), host
            tried += 1
    record_property("addresses", tried)
