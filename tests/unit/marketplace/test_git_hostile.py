"""Servers and packs that mean harm: each ends soon, with a reason, and holds little meanwhile."""

from __future__ import annotations

import socket
import ssl
import time
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agnes.kernel.errors import AgnesError
from agnes.kernel.git import GitDamaged, GitFailed, GitRefused, GitTooLarge, GitUnreachable
from agnes.kernel.ports import Secret
from agnes.outside.egress import dial, is_public
from agnes.outside.git import DulwichGit
from agnes.outside.git.limits import GitLimits
from agnes.trees import git_objects as git
from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.raw_git import FLUSH, GitAnswers, one_commit, pkt, sealed

pytestmark = pytest.mark.slow

ALLOW = frozenset({"http", "private"})
LOOPBACK = DulwichGit(allow=ALLOW)
FILE = 0o100644


def attempt(
    reader: DulwichGit, url: str, *, token: Secret | None = None, seconds: float = PATIENCE_SECONDS
) -> AgnesError:
    """The error that a fetch ends with."""
    with pytest.raises(AgnesError) as caught, reader.fetch(url, ref="HEAD", token=token, known=None, seconds=seconds):
        pass
    return caught.value


def serving(commit: str, pack: bytes) -> GitAnswers:
    return GitAnswers(lambda handler: handler.git(commit, pack))


def test_a_handmade_pack_is_read():
    commit, entries = one_commit([(FILE, b"hello")])
    with (
        serving(commit, git.pack(entries, len(entries))) as server,
        LOOPBACK.fetch(server.url(), ref="HEAD", token=None, known=None, seconds=PATIENCE_SECONDS) as snapshot,
    ):
        assert [(e.path, snapshot.read(e.oid)) for e in snapshot.walk(snapshot.folder(""))] == [("f0", b"hello")]


# --- time


def test_a_server_that_says_nothing_is_left_when_the_time_is_up():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        error = attempt(LOOPBACK, f"http://127.0.0.1:{deaf.getsockname()[1]}/m.git", seconds=0.5)
    assert isinstance(error, GitUnreachable)
    assert error.message == "the server took longer than 0.5 seconds"


@pytest.mark.parametrize("where", ["head", "refs", "pack"])
def test_a_server_that_drips_is_left_when_the_time_is_up(where):
    commit, _ = one_commit([(FILE, b"x" * 1000)])

    def drip(handler):
        if where == "pack" and handler.command == "GET":
            handler.git(commit, b"")
            return
        if where != "head":
            kind = "advertisement" if where == "refs" else "result"
            handler.send_response(200)
            handler.send_header("Content-Type", f"application/x-git-upload-pack-{kind}")
            handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"H" if where == "head" else b"0")
                time.sleep(0.02)
        except OSError:
            pass

    with GitAnswers(drip) as server:
        error = attempt(LOOPBACK, server.url(), seconds=0.5)
    # A drip of nonsense may end as nonsense before it ends as a delay.
    assert isinstance(error, GitUnreachable | GitFailed)
    if where == "head":
        assert error.code == "git_timeout"


# --- size


def test_a_pack_above_the_limit_is_cut_off():
    commit, entries = one_commit([(FILE, bytes(range(256)) * 400)])
    small = DulwichGit(allow=ALLOW, limits=GitLimits(pack_bytes=200))
    with serving(commit, git.pack(entries, len(entries))) as server:
        error = attempt(small, server.url())
    assert error.message == "the repository's pack is larger than 200 bytes"


def test_endless_refs_are_cut_off():
    def endless(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
        handler.end_headers()
        handler.wfile.write(pkt(b"# service=git-upload-pack\n") + FLUSH)
        line = pkt(b"%040x refs/heads/b\n" % 7)
        try:
            while True:
                handler.wfile.write(line * 100)
        except OSError:
            pass

    with GitAnswers(endless) as server:
        error = attempt(DulwichGit(allow=ALLOW, limits=GitLimits(refs_bytes=100_000)), server.url())
    assert isinstance(error, GitTooLarge)
    assert error.message == "the server sent more than we take"


def test_a_pack_of_too_many_objects_is_refused_by_its_header():
    commit, _ = one_commit([])
    header = b"PACK" + (2).to_bytes(4, "big") + (100_000).to_bytes(4, "big")
    with serving(commit, sealed(header)) as server:
        error = attempt(LOOPBACK, server.url())
    assert error.message == "the repository has more than 50000 objects in one commit"


def bomb(declared: int, inflated: int) -> bytes:
    return git.entry_header(git.BLOB, declared) + zlib.compress(bytes(inflated), 9)


@pytest.mark.parametrize(
    ("entries", "kind", "message"),
    [
        pytest.param(
            [bomb(200_000_000, 1000)], GitTooLarge, "the repository's files are larger than we take", id="declared huge"
        ),
        pytest.param(
            [bomb(10, 30_000_000)], GitFailed, "the server sent a damaged pack (the stream is longer than it says)", id="grows beyond"
        ),
        pytest.param(
            [
                git.pack_entry(git.BLOB, b"base"),
                # A delta of a few bytes that declares a result of 1 GB (varints: source 4, target 2^30).
                git.entry_header(7, 10) + bytes.fromhex(git.object_id(git.BLOB, b"base"))
                + zlib.compress(b"\x04\x80\x80\x80\x80\x04" + b"\x90\x04\x90\x04"),
            ],
            GitTooLarge,
            "the repository's files are larger than we take",
            id="delta declares huge",
        ),
        pytest.param(
            [b"\x35not zlib"], GitFailed,
            "the server sent a damaged pack (Error -3 while decompressing data: incorrect header check)", id="no zlib",
        ),
        pytest.param(
            [b"\xff" * 40], GitFailed, "the server sent a damaged pack (a size of more than 64 bits)", id="endless header"
        ),
    ],
)  # fmt: skip
def test_packs_that_explode_are_refused_unexploded(entries, kind, message):
    commit, good = one_commit([(FILE, b"x")])
    packed = [*good, *entries]
    with serving(commit, git.pack(packed, len(packed))) as server:
        error = attempt(LOOPBACK, server.url())
    assert type(error) is kind
    assert error.message == message


@pytest.mark.parametrize(
    ("pack", "message"),
    [
        pytest.param(b"", "the server sent no pack", id="nothing"),
        pytest.param(b"HACK" + bytes(60), "the server sent something else than a pack", id="another file"),
        pytest.param(sealed(b"PACK\0\0\0\2\0\0\0\0"), "the repository lacks its object", id="empty pack"),
        pytest.param(
            b"PACK\0\0\0\2\0\0\0\0" + bytes(20), "the server sent a damaged pack (its checksum is another)", id="sum"
        ),
    ],
)
def test_what_is_no_pack_is_refused(pack, message):
    commit, _ = one_commit([])
    with serving(commit, pack) as server:
        error = attempt(LOOPBACK, server.url())
    assert isinstance(error, GitFailed)
    assert error.message.startswith(message)


def test_a_commit_that_is_no_commit():
    blob = git.object_id(git.BLOB, b"x")
    with serving(blob, git.pack([git.pack_entry(git.BLOB, b"x")], 1)) as server:
        assert attempt(LOOPBACK, server.url()).message == f"the repository's object {blob} is of another kind"


def test_an_error_of_the_server_is_repeated_without_the_token():
    def complain(handler):
        commit, _ = one_commit([])
        if handler.command == "GET":
            handler.git(commit, b"")
        else:
            words = b"\x03go away x-access-token:s3cret-token \x1b[31m\n"
            body = pkt(b"shallow " + commit.encode()) + FLUSH + pkt(b"NAK\n") + pkt(words) + FLUSH
            handler.reply(200, "application/x-git-upload-pack-result", body)

    with GitAnswers(complain) as server:
        error = attempt(LOOPBACK, server.url(), token=Secret("s3cret-token"))
    assert "go away x-access-token:***" in error.message
    assert "\x1b" not in error.message


def test_a_million_files_from_a_few_objects_are_walked_lazily():
    tree = b"".join(b"100644 f%d\0" % n + bytes.fromhex(git.object_id(git.BLOB, b"x")) for n in range(10))
    entries = [git.pack_entry(git.BLOB, b"x"), git.pack_entry(git.TREE, tree)]
    for _ in range(7):
        oid = bytes.fromhex(git.object_id(git.TREE, tree))
        tree = b"".join(b"40000 d%d\0" % n + oid for n in range(10))
        entries.append(git.pack_entry(git.TREE, tree))
    text = f"tree {git.object_id(git.TREE, tree)}\nauthor A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\nx\n".encode()
    entries.append(git.pack_entry(git.COMMIT, text))
    with (
        serving(git.object_id(git.COMMIT, text), git.pack(entries, len(entries))) as server,
        LOOPBACK.fetch(server.url(), ref="HEAD", token=None, known=None, seconds=PATIENCE_SECONDS) as snapshot,
    ):
        walk = snapshot.walk(snapshot.folder(""))  # all hundred million would take hours and all memory
        assert [next(walk).path for _ in range(20)][-1] == "d0/d0/d0/d0/d0/d0/d1/f9"


def test_a_folder_that_holds_a_missing_file_is_damaged_alone():
    commit, entries = one_commit([(FILE, b"here"), (FILE, b"gone")])
    with (
        serving(commit, git.pack(entries[:-1], len(entries) - 1)) as server,
        LOOPBACK.fetch(server.url(), ref="HEAD", token=None, known=None, seconds=PATIENCE_SECONDS) as snapshot,
        pytest.raises(GitDamaged, match="the repository lacks its object"),
    ):
        list(snapshot.walk(snapshot.folder("")))


# --- addresses


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("140.82.121.4", True),
        ("2606:50c0:8000::154", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),  # metadata of clouds
        ("100.64.0.1", False),  # carrier-grade NAT
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("192.0.2.1", False),  # documentation
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:140.82.121.4", True),
        ("2002:7f00:1::", False),  # 6to4 of 127.0.0.1
        ("64:ff9b::a9fe:a9fe", False),  # NAT64 of 169.254.169.254
        ("64:ff9b::8c52:7904", True),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),  # Teredo
        ("64:ff9b::c058:6301", False),  # NAT64 of 192.88.99.1
        ("64:ff9b:1::8c52:7904", False),  # NAT64 within one network
        ("192.0.0.1", False),
        ("192.0.0.9", False),  # port control protocol, which Python calls global
        ("192.88.99.1", False),  # relays of 6to4
        ("::ffff:192.88.99.1", False),
        ("192.175.48.1", False),  # AS112
        ("fec0::1", False),  # site-local
        ("feff::1", False),
        ("3fff::1", False),  # documentation
        ("3fff:fff::1", False),
        ("3fff:1000::1", True),
        ("5f00::1", False),  # segment routing
        ("2001:db8::1", False),
        ("2606:50c0:8000::153", True),
    ],
)
def test_which_addresses_are_public(address, public):
    assert is_public(address) is public


def resolver(*answers: list[str]):
    """Answers each question with the next list of addresses; the last one is repeated."""
    left = list(answers)

    def resolve(host: str, port: int, **_: object) -> list[tuple]:
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    return resolve


def test_a_name_with_one_private_address_is_refused():
    reader = DulwichGit(allow=frozenset({"http"}), resolve=resolver(["140.82.121.4", "10.0.0.7"]))
    assert (
        attempt(reader, "http://git.example/m.git").message == "the host git.example has the private address 10.0.0.7"
    )


def test_the_judged_address_is_dialled_and_no_other():
    commit, entries = one_commit([(FILE, b"x")])
    with serving(commit, git.pack(entries, len(entries))) as server:
        reader = DulwichGit(allow=ALLOW, resolve=resolver(["127.0.0.1"]))
        # No resolver of the system knows this name: the connection must go to what was judged.
        url = server.url(host="git.nowhere.invalid")
        with reader.fetch(url, ref="HEAD", token=None, known=None, seconds=PATIENCE_SECONDS) as snapshot:
            assert snapshot.commit == commit
        assert {headers["host"] for _, _, headers in server.asked} == {f"git.nowhere.invalid:{server.port}"}


def dial_home(addresses: list[tuple[int, tuple]], *, seconds: float) -> socket.socket:
    """The internet as this machine can play it: every address leads to loopback, at the same port."""
    return dial([(socket.AF_INET, ("127.0.0.1", address[1])) for _, address in addresses], seconds=seconds)


def test_a_name_that_turns_private_between_two_requests_is_refused():
    """DNS rebinding: public for the refs, private for the pack."""
    commit, _ = one_commit([])
    with serving(commit, b"") as server:
        resolve = resolver(["140.82.121.4"], ["10.0.0.7"])
        reader = DulwichGit(allow=frozenset({"http"}), resolve=resolve, dial=dial_home)
        error = attempt(reader, server.url(host="git.example"))
    assert error.message == "the host git.example has the private address 10.0.0.7"
    assert [method for method, _, _ in server.asked] == ["GET"]


# --- redirects


def redirecting(to: str) -> GitAnswers:
    return GitAnswers(lambda handler: handler.reply(302, "text/plain", b"", Location=to))


def test_a_redirect_is_followed_without_the_token_to_another_origin():
    commit, entries = one_commit([(FILE, b"x")])
    with serving(commit, git.pack(entries, len(entries))) as home:
        with redirecting(home.url("moved.git/info/refs?service=git-upload-pack")) as door:
            token = Secret("s3cret-token")
            with LOOPBACK.fetch(door.url(), ref="HEAD", token=token, known=None, seconds=PATIENCE_SECONDS) as snapshot:
                assert snapshot.commit == commit
        assert all("authorization" in headers for _, _, headers in door.asked)
        assert [path for _, path, _ in home.asked][1:] == ["/moved.git/git-upload-pack"]
        assert not any("authorization" in headers for _, _, headers in home.asked)


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("http://10.0.0.7/m.git/info/refs", "the host 10.0.0.7 has the private address 10.0.0.7"),
        ("file:///etc/passwd", "file URLs are not fetched"),
        ("gopher://127.0.0.1/x", "gopher URLs are not fetched"),
    ],
)
def test_a_redirect_is_judged_as_any_url(to, message):
    def resolve(host: str, port: int, **_: object) -> list[tuple]:
        return [(socket.AF_INET, 1, 6, "", ("140.82.121.4" if host == "git.example" else host, port))]

    with redirecting(to) as server:
        reader = DulwichGit(allow=frozenset({"http"}), resolve=resolve, dial=dial_home)
        error = attempt(reader, server.url(host="git.example"))
    assert isinstance(error, GitRefused)
    assert error.message == message


def test_redirects_in_a_circle_end():
    with GitAnswers(lambda handler: handler.reply(302, "text/plain", b"", Location=handler.path)) as server:
        error = attempt(LOOPBACK, server.url())
    assert error.message == "the server redirects more than 5 times"
    assert len(server.asked) == 6


# --- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key, as one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "git.example")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("git.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + signed.public_bytes(serialization.Encoding.PEM)
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(pem)
    return file


def test_https_is_verified_against_the_name(certificate):
    commit, entries = one_commit([(FILE, b"x")])
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))

    def reader(tls: ssl.SSLContext | None) -> DulwichGit:
        return DulwichGit(allow=frozenset({"private"}), resolve=resolver(["127.0.0.1"]), tls=tls)

    answers = GitAnswers(lambda handler: handler.git(commit, git.pack(entries, len(entries))), tls=server_side)
    with answers as server:
        good = server.url(host="git.example", scheme="https")
        with reader(trusting).fetch(good, ref="HEAD", token=None, known=None, seconds=PATIENCE_SECONDS) as snapshot:
            assert snapshot.commit == commit
        assert "CERTIFICATE_VERIFY_FAILED" in attempt(reader(None), good).message
        other_name = server.url(host="other.example", scheme="https")
        assert "CERTIFICATE_VERIFY_FAILED" in attempt(reader(trusting), other_name).message


def test_a_server_that_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert attempt(LOOPBACK, f"http://127.0.0.1:{port}/m.git").code == "git_unreachable"
    nowhere = attempt(LOOPBACK, "http://git.nowhere.invalid/m.git")
    assert nowhere.message == "the host git.nowhere.invalid has no address"


def test_an_advertisement_of_nothing_is_an_empty_repository():
    line = b"0" * 40 + b" capabilities^{}\0shallow agent=test\n"
    body = pkt(b"# service=git-upload-pack\n") + FLUSH + pkt(line) + FLUSH
    with GitAnswers(lambda h: h.reply(200, "application/x-git-upload-pack-advertisement", body)) as server:
        assert attempt(LOOPBACK, server.url()).message == "the repository is empty"
