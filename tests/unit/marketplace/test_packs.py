"""Packs: whatever the order of their objects and deltas, all of them are there; and what is wrong with one is said."""

from __future__ import annotations

import hashlib
import itertools
import random
import zlib

import pytest
from dulwich.pack import create_delta

from agnes.kernel.git import GitFailed, GitTooLarge
from agnes.outside.git.limits import GitLimits
from agnes.outside.git.objects import Spool
from agnes.outside.git.packs import unpack
from agnes.trees import git_objects as git
from tests.builders.raw_git import sealed

OFS_DELTA, REF_DELTA = 6, 7
BASE = b"a line of the base\n" * 40


def oid(content: bytes) -> str:
    return git.object_id(git.BLOB, content)


def delta(base: bytes, content: bytes) -> bytes:
    return b"".join(create_delta(base, content))


def of_offset(distance: int, instructions: bytes) -> bytes:
    """An entry made on the one that begins so far before."""
    number = bytes([distance & 0x7F])
    while distance := distance >> 7:
        distance -= 1
        number = bytes([0x80 | (distance & 0x7F)]) + number
    return git.entry_header(OFS_DELTA, len(instructions)) + number + zlib.compress(instructions)


def of_id(base: str, instructions: bytes) -> bytes:
    return git.entry_header(REF_DELTA, len(instructions)) + bytes.fromhex(base) + zlib.compress(instructions)


def unpacked(entries: list[bytes], wanted: list[bytes], **limits: int) -> list[bytes]:
    """The contents of these blobs after unpacking."""
    with Spool(GitLimits(**limits)) as spool:
        unpack(git.pack(entries, len(entries)), spool)
        return [spool.raw(oid(content), git.BLOB) for content in wanted]


@pytest.mark.parametrize("seed", range(10))
def test_deltas_are_made_in_any_order(seed):
    """Each on an entry before it by distance, or on any, before or behind it, by id."""
    rng = random.Random(seed)
    contents = [BASE + rng.randbytes(rng.choice((0, 5, 300))) for _ in range(25)]
    base_of = {n: rng.randrange(n) for n in range(1, 25) if rng.random() < 0.8}  # a tree: no circles
    order = list(range(25))
    rng.shuffle(order)
    entries: list[bytes] = []
    begins: dict[int, int] = {}
    at = 12
    for n in order:
        base = base_of.get(n)
        if base is None:
            entry = git.pack_entry(git.BLOB, contents[n])
        elif base in begins and rng.random() < 0.6:
            entry = of_offset(at - begins[base], delta(contents[base], contents[n]))
        else:
            entry = of_id(oid(contents[base]), delta(contents[base], contents[n]))
        begins[n] = at
        entries.append(entry)
        at += len(entry)
    assert unpacked(entries, contents) == contents


def test_a_long_chain_takes_no_stack():
    contents = [BASE + b"%d" % n for n in range(1500)]
    entries = [of_id(oid(a), delta(a, b)) for a, b in itertools.pairwise(contents)]
    assert unpacked([*entries, git.pack_entry(git.BLOB, BASE + b"0")], contents[-1:]) == contents[-1:]


def test_an_object_may_come_twice_and_be_empty_or_large():
    large = random.Random(1).randbytes(200_000)  # more than is inflated at once
    entries = [git.pack_entry(git.BLOB, content) for content in (BASE, b"", large, BASE)]
    assert unpacked(entries, [BASE, b"", large]) == [BASE, b"", large]


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        pytest.param([of_id(oid(b"elsewhere"), delta(BASE, b"x"))], "deltas of what it lacks", id="thin"),
        pytest.param([of_offset(5, delta(BASE, b"x"))], "deltas of what it lacks", id="between entries"),
        pytest.param([of_id("0" * 40, b"")], "it is cut short", id="empty delta"),
        pytest.param([git.entry_header(5, 1) + zlib.compress(b"x")], "an object of type 5", id="reserved type"),
        pytest.param([git.entry_header(0, 1) + zlib.compress(b"x")], "an object of type 0", id="type 0"),
        pytest.param([git.entry_header(3, 9) + zlib.compress(b"x")], "shorter than it says", id="shorter"),
        pytest.param([git.entry_header(3, 0) + zlib.compress(b"x")], "longer than it says", id="not empty"),
        pytest.param([git.pack_entry(git.BLOB, BASE)[:-6]], "the stream has no end", id="no end"),
        pytest.param(
            [git.pack_entry(git.BLOB, BASE), of_id(oid(BASE), delta(BASE + b"other", b"x"))],
            "source buffer size",
            id="made on something else",
        ),
    ],
)
def test_what_is_wrong_is_said(entries, said):
    with pytest.raises(GitFailed) as caught:
        unpacked(entries, [])
    assert caught.value.message.startswith("the server sent a damaged pack (")
    assert said in caught.value.message


def test_fewer_objects_than_the_header_says():
    body = git.pack([git.pack_entry(git.BLOB, BASE)], 2)[:-20]
    with pytest.raises(GitFailed, match="it is cut short"), Spool(GitLimits()) as spool:
        unpack(body + hashlib.sha1(body).digest(), spool)


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([git.pack_entry(git.BLOB, bytes([n]) * 300) for n in range(4)], id="in sum"),
        pytest.param([git.pack_entry(git.BLOB, bytes(600))], id="one"),
        pytest.param(
            [git.pack_entry(git.BLOB, BASE[:100]), of_id(oid(BASE[:100]), delta(BASE[:100], bytes(600)))], id="made"
        ),
        pytest.param([git.pack_entry(git.BLOB, b"x" * 300)] * 4, id="the same again and again"),
    ],
)
def test_the_limits_are_those_of_what_is_declared(entries):
    with pytest.raises(GitTooLarge, match="larger than we take"):
        unpacked(entries, [], object_bytes=500, unpacked_bytes=1000)


def test_many_deltas_of_one_large_base_read_it_once():
    class Watched(Spool):
        reads = 0

        def raw(self, oid: str, kind: int) -> bytes:
            Watched.reads += 1
            return super().raw(oid, kind)

    entries = [git.pack_entry(git.BLOB, BASE), *(of_id(oid(BASE), delta(BASE, b"%d" % n)) for n in range(200))]
    with Watched(GitLimits()) as spool:
        unpack(git.pack(entries, len(entries)), spool)
    assert Watched.reads == 1


def test_nothing_but_a_checksum():
    with Spool(GitLimits()) as spool:
        unpack(sealed(b"PACK\0\0\0\2\0\0\0\0"), spool)
        assert spool.size(oid(b"")) is None
