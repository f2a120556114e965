"""Git's upload-pack over HTTP, protocol v2 and v0 (gitprotocol-v2(5), gitprotocol-pack(5)).

Bytes in, bytes out. There is one ref, `refs/heads/main`, and its commit has no parent, so every
clone is as deep as a full one and negotiation is: which earlier views do you have? Receive-pack
does not exist here. Dulwich's server is not used: it has no v2, writes through WSGI only and
breaks partial clones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from agnes.kernel.errors import BadRequestError

AGENT = "agent=agnes/1"
REF = "refs/heads/main"
ADVERTISEMENT = "application/x-git-upload-pack-advertisement"
RESULT = "application/x-git-upload-pack-result"
MAX_LINES = 100_000
MAX_HAVES = 256
"""Haves that are looked up; a client with more has a history that is not ours."""

_FLUSH, _DELIM = b"0000", b"0001"
_BAND_BYTES = 65_515  # of a side-band-64k packet, after its length and band


class ProtocolError(BadRequestError):
    code = "git_protocol_error"

    def __init__(self, reason: str) -> None:
        super().__init__(f"this is not a request of git: {reason}", hint="Use git 2.18 or newer.")


@dataclass(frozen=True)
class Repository:
    """What is served: one commit, and how to pack it."""

    commit: str
    is_wanted_allowed: Callable[[str], bool]
    """Whether this person may fetch a commit other than the advertised one."""
    has: Callable[[str], bool]
    """Whether the feed made a commit that the client has."""
    pack: Callable[[str, frozenset[str]], bytes]
    """The pack of a commit without what is reachable from the given commits of the feed."""


def line(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return b"%04x" % (len(data) + 4) + data


def error(message: str) -> bytes:
    """What git shows as `fatal: remote error: <message>`."""
    return line(f"ERR {message}")


def advertise_capabilities() -> bytes:
    """The answer to GET info/refs?service=git-upload-pack in v2, the same for everybody: refs are a command of their own."""
    lines = ["version 2", AGENT, "ls-refs=unborn", "fetch=shallow", "object-format=sha1"]
    return b"".join(line(f"{text}\n") for text in lines) + _FLUSH


def advertise_refs(commit: str) -> bytes:
    """The same in v0: the one branch, and what can be asked."""
    capabilities = (
        f"multi_ack_detailed side-band-64k ofs-delta shallow no-progress symref=HEAD:{REF} object-format=sha1 {AGENT}"
    )
    return (
        line("# service=git-upload-pack\n")
        + _FLUSH
        + line(f"{commit} HEAD\0{capabilities}\n")
        + line(f"{commit} {REF}\n")
        + _FLUSH
    )


def answer(body: bytes, repository: Repository, *, version: int) -> bytes:
    """The answer to POST git-upload-pack. Raises ProtocolError."""
    packets = list(_packets(body))
    if version == 2:
        return _answer_v2(packets, repository)
    return _answer_v0(packets, repository)


def _packets(body: bytes) -> Iterator[bytes | None]:
    """Lines without their newline; None for a flush or delimiter packet."""
    at, count = 0, 0
    while at < len(body):
        try:
            length = int(body[at : at + 4], 16)
        except ValueError as exc:
            raise ProtocolError(f"no packet length at byte {at}") from exc
        count += 1
        if count > MAX_LINES:
            raise ProtocolError(f"more than {MAX_LINES} lines")
        if length in (0, 1, 2):
            yield None
            at += 4
            continue
        if length < 4 or at + length > len(body):
            raise ProtocolError(f"a packet at byte {at} is cut short")
        yield body[at + 4 : at + length].removesuffix(b"\n")
        at += length


@dataclass
class _Fetch:
    wants: list[str] = field(default_factory=list)
    haves: list[str] = field(default_factory=list)
    done: bool = False
    depth: bool = False

    def read(self, text: str) -> None:
        word, _, rest = text.partition(" ")
        oid = rest[:40]
        if word == "want":
            self.wants.append(_oid(oid))
        elif word == "have":
            if len(self.haves) < MAX_HAVES:
                self.haves.append(_oid(oid))
        elif word == "done":
            self.done = True
        elif word == "deepen":
            self.depth = True
        elif word in ("filter", "deepen-since", "deepen-not", "want-ref"):
            raise ProtocolError(f"{word} is not offered")

    def problem(self, repository: Repository) -> str | None:
        if len(set(self.wants)) != 1:
            return "one commit can be wanted"
        want = self.wants[0]
        if want != repository.commit and not repository.is_wanted_allowed(want):
            return f"upload-pack: not our ref {want}"
        return None


def _oid(text: str) -> str:
    if len(text) != 40 or text.strip("0123456789abcdef"):
        raise ProtocolError("an object id has 40 hexadecimal digits")
    return text


def _answer_v2(packets: list[bytes | None], repository: Repository) -> bytes:
    lines = [packet.decode("utf-8", "replace") for packet in packets if packet is not None]
    command = lines[0] if lines else ""
    if command == "command=ls-refs":
        return _ls_refs(lines[1:], repository.commit)
    if command != "command=fetch":
        raise ProtocolError("no command that is offered")
    fetch = _Fetch()
    for text in lines[1:]:
        fetch.read(text)
    problem = fetch.problem(repository)
    if problem:
        return error(problem)
    common = [have for have in fetch.haves if repository.has(have)]
    out = b""
    if not fetch.done:
        out += line("acknowledgments\n")
        if not common:
            return out + line("NAK\n") + _FLUSH
        out += b"".join(line(f"ACK {oid}\n") for oid in common) + line("ready\n") + _DELIM
    pack = repository.pack(fetch.wants[0], frozenset(common))
    return out + line("packfile\n") + _banded(pack) + _FLUSH


def _ls_refs(arguments: list[str], commit: str) -> bytes:
    prefixes = [text.removeprefix("ref-prefix ") for text in arguments if text.startswith("ref-prefix ")]
    symrefs = f" symref-target:{REF}" if "symrefs" in arguments else ""
    refs = {"HEAD": f"{commit} HEAD{symrefs}\n", REF: f"{commit} {REF}\n"}
    shown = [text for name, text in refs.items() if not prefixes or any(name.startswith(p) for p in prefixes)]
    return b"".join(line(text) for text in shown) + _FLUSH


def _answer_v0(packets: list[bytes | None], repository: Repository) -> bytes:
    fetch = _Fetch()
    for packet in packets:
        if packet is not None:
            # The first want carries the client's capabilities after its object id.
            fetch.read(packet.decode("utf-8", "replace"))
    if not fetch.wants:
        return b""
    problem = fetch.problem(repository)
    if problem:
        return error(problem)
    # A depth is answered with the list of commits that became shallow: none, for want of parents.
    out = _FLUSH if fetch.depth else b""
    if not fetch.haves and not fetch.done:
        return out
    capabilities = next((p.decode("utf-8", "replace") for p in packets if p), "")
    common = [have for have in fetch.haves if repository.has(have)]
    if "multi_ack_detailed" in capabilities:
        # Over HTTP a client keeps what was acknowledged as common only when it is told in this form.
        out += b"".join(line(f"ACK {oid} common\n") for oid in common)
        if not fetch.done:
            return out + (line(f"ACK {common[-1]} ready\n") if common else b"") + line("NAK\n")
        out += line(f"ACK {common[-1]}\n") if common else line("NAK\n")
    else:
        out += line(f"ACK {common[0]}\n") if common else line("NAK\n")
    if not fetch.done:
        return out
    pack = repository.pack(fetch.wants[0], frozenset(common))
    if "side-band-64k" in capabilities:
        return out + _banded(pack) + _FLUSH
    return out + pack


def _banded(pack: bytes) -> bytes:
    return b"".join(line(b"\x01" + pack[at : at + _BAND_BYTES]) for at in range(0, len(pack), _BAND_BYTES))
