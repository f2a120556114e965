"""Which outcome each fault of the wire gives, and what the server did meanwhile."""

from __future__ import annotations

import socket
import time
from dataclasses import replace

import pytest

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import (
    ABSENT,
    ANYTHING,
    Blob,
    NotModified,
    OutcomeUnknown,
    PreconditionFailed,
    Secret,
    TryAgain,
    Unchanged,
    Version,
)
from agnes.outside.object_store.s3 import S3Store, StoreRefused
from tests.builders.lossy_proxy import LATE_SECONDS, HttpFault, lossy_proxy
from tests.builders.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

SILENCE_SECONDS = 2.0
"""After which a server that says nothing is left; any other fault shows at once, and a busy server is no fault."""


class Once:
    """Meets the next request with a fault, and lets the others through."""

    def __init__(self):
        self.next, self.requests = HttpFault.NONE, 0

    def __call__(self, method: str, path: str) -> HttpFault:
        self.requests += 1
        fault, self.next = self.next, HttpFault.NONE
        return fault


@pytest.fixture
def once():
    return Once()


@pytest.fixture
def store(request, server, once):
    silent = request.node.callspec.params.get("fault") is HttpFault.SILENT
    with lossy_proxy(server.endpoint, once) as url:
        yield server.store(endpoint=url, **({"read_seconds": SILENCE_SECONDS} if silent else {}))


OUTCOMES = {
    HttpFault.DROP_BEFORE: (OutcomeUnknown, False),
    HttpFault.DROP_AFTER: (OutcomeUnknown, True),
    HttpFault.LATE: (OutcomeUnknown, True),
    HttpFault.CUT: (OutcomeUnknown, True),
    HttpFault.CUT_HEAD: (OutcomeUnknown, True),
    HttpFault.GARBAGE: (OutcomeUnknown, True),
    HttpFault.SILENT: (OutcomeUnknown, True),
    HttpFault.BARE_502: (OutcomeUnknown, True),
    HttpFault.BARE_503: (OutcomeUnknown, True),
    HttpFault.INTERNAL: (OutcomeUnknown, True),
    HttpFault.CONFLICT: (TryAgain, False),
    HttpFault.SLOW_DOWN: (TryAgain, False),
}


def test_every_fault_has_an_outcome():
    assert set(OUTCOMES) == set(HttpFault) - {HttpFault.NONE}


@pytest.mark.parametrize("kind", ["create", "swap"])
@pytest.mark.parametrize("fault", OUTCOMES)
def test_a_write_has_the_outcome_of_its_fault(store, once, fault, kind):
    outcome, acted = OUTCOMES[fault]
    expect = ABSENT if kind == "create" else Unchanged(store.write("k", b"old", expect=ABSENT))
    once.next, before = fault, once.requests
    with pytest.raises(outcome) as met:
        store.write("k", b"new", expect=expect)
    assert type(met.value) is outcome
    assert once.requests - before == 1, "it was sent once"
    found = store.read("k")
    until = time.monotonic() + PATIENCE_SECONDS
    while fault is HttpFault.LATE and (not found or found.body != b"new") and time.monotonic() < until:
        time.sleep(LATE_SECONDS)
        found = store.read("k")
    assert (found is not None and found.body == b"new") == acted
    assert store.write("k", b"later", expect=ANYTHING), "the store can be used on"


@pytest.mark.parametrize("fault", OUTCOMES)
def test_reads_listings_and_removals_are_repeated(store, once, fault):
    version = store.write("l/k", bytes(5000), expect=ABSENT)
    for ask, answer in (
        (lambda: store.read("l/k"), Blob(bytes(5000), version)),
        (lambda: store.read_if_changed("l/k", version), NotModified()),
        (lambda: store.read("l/missing"), None),
        (lambda: [entry.key for entry in store.list("l/")], ["l/k"]),
    ):
        once.next = fault
        assert ask() == answer
    once.next = fault
    store.remove(["l/k"])
    assert store.read("l/k") is None


@pytest.mark.parametrize("fault", [HttpFault.DROP_BEFORE, HttpFault.CUT_HEAD, HttpFault.SLOW_DOWN, HttpFault.BARE_502])
def test_a_read_gives_up_in_the_end(server, fault):
    with lossy_proxy(server.endpoint, lambda method, path: fault) as url:
        store = server.store(endpoint=url)
        for ask in (
            lambda: store.read("k"),
            lambda: list(store.list("")),
            lambda: store.read_if_changed("k", Version("x")),
        ):
            with pytest.raises(UnavailableError) as met:
                ask()
            assert type(met.value) is UnavailableError


def test_a_real_conflict_is_told_from_a_lost_reply(store):
    store.write("k", b"x", expect=ABSENT)
    with pytest.raises(PreconditionFailed):
        store.write("k", b"y", expect=ABSENT)


def test_without_a_connection_nothing_happened():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        store = S3Store(
            "bucket",
            endpoint_url=f"http://127.0.0.1:{taken.getsockname()[1]}",
            region="us-east-1",
            access_key_id="a",
            secret_access_key=Secret("b"),
        )
        with pytest.raises(TryAgain, match="no connection"):
            store.write("k", b"", expect=ABSENT)


def test_a_missing_bucket_is_refused_and_not_taken_for_a_missing_object(server):
    store = S3Store(
        "agnes-no-such-bucket",
        endpoint_url=server.endpoint,
        region="us-east-1",
        access_key_id=server.user,
        secret_access_key=server.password,
    )
    version = server.store().write("k", b"x", expect=ABSENT)
    for ask in (
        lambda: store.read("k"),
        lambda: store.write("k", b"", expect=ABSENT),
        lambda: store.write("k", b"", expect=Unchanged(version)),
        lambda: list(store.list("")),
        lambda: store.remove(["k"]),
    ):
        with pytest.raises(StoreRefused, match="NoSuchBucket"):
            ask()


@pytest.mark.minio
def test_a_wrong_password_is_refused():
    from tests.contract.stores import started_server

    store = replace(started_server("minio"), password=Secret("not the password")).store()
    with pytest.raises(StoreRefused, match="SignatureDoesNotMatch") as refused:
        store.write("k", b"", expect=ABSENT)
    assert "not the password" not in str(refused.value)
