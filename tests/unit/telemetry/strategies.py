"""Transcripts for hypothesis: small alphabets, so that ids collide, results find their calls and types surprise."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**12),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["id", "type", "text"]), st.integers(), max_size=2),
)


def mostly(strategy: st.SearchStrategy) -> st.SearchStrategy:
    """`strategy`, and now and then something of another type."""
    return st.integers(0, 19).flatmap(lambda n: JUNK if n == 0 else strategy)


def names(*choices: str) -> st.SearchStrategy:
    return mostly(st.sampled_from(choices))


UUIDS = names(*(f"u{n}" for n in range(12)))
TOOL_IDS = names(*(f"t{n}" for n in range(6)))
SKILLS = names("finops:forecast", "finops:close", "/finops:close", " plain\n", "other:x", "plain", "forecast", "")
TEXTS = names(
    "Hello",
    "<command-name>/finops:close</command-name>",
    "<command-name>/clear</command-name> <command-name>/finops:forecast</command-name>",
    "<command-name>no-slash</command-name>",
    "<local-command-stdout>x</local-command-stdout>",
    "  [Request interrupted by user]",
    "",
    "ünïcode \U0001f600",
    "<command-message>finops:close</command-message>\n<command-name>/finops:close</command-name>",
    "<command-message>plan</command-message>\n<command-name>/finops:spec.plan 2 ü</command-name>\n<command-args>x</command-args>",
    "<command-name>/forecast</command-name>",
    "<command-message>loading</command-message>\n<command-name>finops:forecast</command-name>",
    "<command-name>finops:forecast</command-name>\n<skill-format>true</skill-format>",
    "I never typed <command-name>/finops:close</command-name>",
    "<task-notification>\n<task-id>b1</task-id>",
    '<teammate-message teammate_id="r">Done</teammate-message>',
    "<system-reminder>x</system-reminder>",
    "<bash-input>ls</bash-input>",
    "<bash-stdout>x</bash-stdout>",
    "Stop hook feedback:\nx",
    " \n",
    "a\x1f\x9b b",
)
ORIGINS = mostly(
    st.fixed_dictionaries({}, optional={"kind": names("human", "human", "task-notification", "peer", "new")})
)
TIMES = names(
    "2026-11-20T09:00:00.000Z",
    "2026-11-20T09:05:00.000Z",
    "2026-11-20T10:00:00.000+02:00",
    "2026-11-21T23:59:59.999Z",
    "2026-11-22T00:00:00",
    "2031-01-01T00:00:00Z",
    "1999-01-01T00:00:00Z",
    "yesterday",
)
FLAGS = mostly(st.booleans())
SELDOM = st.integers(0, 29).flatmap(lambda n: JUNK if n == 0 else st.just(n == 1))
"""A flag that is hardly ever set."""
TOKENS = mostly(st.integers(0, 2000))


def objects(**fields: st.SearchStrategy) -> st.SearchStrategy:
    """Objects with any subset of `fields`."""
    return st.fixed_dictionaries({}, optional=fields)


USES = objects(
    type=st.just("tool_use"),
    id=TOOL_IDS,
    name=names("Skill", "Task", "Agent", "Bash", "Read", "mcp__a__b", "mcp__plugin_finops_ledger__post"),
    input=mostly(objects(skill=SKILLS, name=SKILLS, command=SKILLS, subagent_type=SKILLS)),
)
RESULTS = objects(type=st.just("tool_result"), tool_use_id=TOOL_IDS, is_error=FLAGS, content=TEXTS)
SAID = objects(type=names("text", "image", "thinking"), text=TEXTS)
CONTENT = mostly(st.one_of(TEXTS, st.lists(mostly(st.one_of(USES, RESULTS, SAID)), max_size=3)))
LONG_TOKENS = mostly(st.sampled_from([0, 7, 60_000, 100_001, 250_000]))
COUNTS = {
    "input_tokens": st.one_of(TOKENS, LONG_TOKENS),
    "output_tokens": TOKENS,
    "cache_read_input_tokens": st.one_of(TOKENS, LONG_TOKENS),
    "cache_creation_input_tokens": TOKENS,
    "cache_creation": mostly(objects(ephemeral_5m_input_tokens=TOKENS, ephemeral_1h_input_tokens=TOKENS)),
}
ITERATIONS = st.lists(
    mostly(
        objects(
            type=names("message", "advisor_message", "compaction", "fallback_message", "news"),
            model=names("opus", "haiku"),
            **COUNTS,
        )
    ),
    max_size=3,
)
USAGE = objects(
    **COUNTS,
    server_tool_use=mostly(objects(web_search_requests=TOKENS)),
    speed=names("standard", "fast", "a|b"),
    service_tier=names("standard", "batch", "priority"),
    inference_geo=names("", "us", "global", "not_available"),
    iterations=mostly(ITERATIONS),
)
MESSAGES = objects(
    id=names("m1", "m2", "msg_0123456789abcdef"),
    model=names("opus", "haiku", "<synthetic>"),
    content=CONTENT,
    usage=mostly(USAGE),
)
QUEUED = objects(
    type=names("queued_command", "queued_command", "skill_listing"),
    prompt=CONTENT,
    commandMode=names("prompt", "prompt", "bash", "task-notification"),
    source_uuid=names("q1", "q2", "u3"),
    origin=ORIGINS,
    isMeta=SELDOM,
    textNotTyped=SELDOM,
    carriedByCompaction=SELDOM,
)
RECORDS = objects(
    type=names("user", "user", "assistant", "assistant", "attachment", "tool_use_result", "progress", "summary"),
    uuid=UUIDS,
    parentUuid=UUIDS,
    requestId=names("r1", "r2", ""),
    requestRef=names("q1", "q2"),
    timestamp=TIMES,
    cwd=names("/home/mira"),
    isSidechain=FLAGS,
    isMeta=SELDOM,
    isCompactSummary=SELDOM,
    attachment=mostly(QUEUED),
    origin=ORIGINS,
    promptSource=names("typed", "queued", "sdk", "system", "new"),
    turnOrigin=names("human", "sdk", "scheduled", "peer", "new"),
    rowSource=names("local", "recorded", "harness", "hook"),
    planContent=SELDOM,
    wakeupSource=SELDOM,
    isVisibleInTranscriptOnly=SELDOM,
    textNotTyped=SELDOM,
    stackedExpansion=SELDOM,
    attributionSkill=SKILLS,
    attributionPlugin=names("finops"),
    attributionAgent=SKILLS,
    tool_use_id=TOOL_IDS,
    toolUseId=TOOL_IDS,
    is_error=FLAGS,
    message=mostly(MESSAGES),
    toolUseResult=JUNK,
)


def line_of(record: Any) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass")


BROKEN = st.sampled_from(
    [b"", b"   ", b"[1,2]", b'"text"', b"null", b'{"type":"user"', b'{"type":"user","message":"x"}', b"\xff\xfe", b"{}"]
)
SURROGATE = st.just(b'{"type":"user","uuid":"u1","message":{"content":"a \\ud83d b"}}')
BAD_UTF8 = st.just(b'{"type":"user","uuid":"u2","message":{"content":"a \xff b"}}')
FOOLS = ("is_error", "tool_result", "message", "assistant", "type")


def escaped(line: bytes) -> bytes:
    """The same record with names and words written by their code points."""
    for word in FOOLS:
        spelt = "".join(f"\\u{ord(letter):04x}" for letter in word)
        line = line.replace(f'"{word}"'.encode(), f'"{spelt}"'.encode())
    return line


def spaced(line: bytes) -> bytes:
    """The same record with blanks wherever JSON allows some."""
    try:
        return b" \t" + json.dumps(json.loads(line), separators=(" ,\t", "\t: ")).encode() + b" \r"
    except ValueError:
        return line


@st.composite
def doubled(draw: st.DrawFn) -> bytes:
    """A record that says the same thing twice, differently: the last word counts, at the top and in its message."""
    first, second = draw(RECORDS), draw(RECORDS)
    line = line_of(first)[:-1] + (b"," if first else b"") + line_of(second)[1:]
    if draw(st.booleans()) and isinstance(first.get("message"), dict) and first["message"]:
        inner = line_of(first["message"])
        line = line.replace(inner, inner[:-1] + b"," + line_of(draw(USAGE) | {"content": draw(CONTENT)})[1:], 1)
    return line.replace(b",}", b"}")


@st.composite
def quoting(draw: st.DrawFn) -> bytes:
    """A result whose text is a transcript's line: what is quoted is nobody's record."""
    quoted = line_of(draw(RECORDS)).decode("utf-8", "replace")
    result = {"type": "tool_result", "tool_use_id": draw(TOOL_IDS), "content": quoted + '"}]},"is_error":true'}
    return line_of({"type": "user", "uuid": draw(UUIDS), "message": {"content": [result]}, "toolUseResult": quoted})


@st.composite
def shuffled(draw: st.DrawFn) -> bytes:
    record = draw(RECORDS)
    return line_of({name: record[name] for name in draw(st.permutations(list(record)))})


LINES = st.one_of(
    *(RECORDS.map(line_of), RECORDS.map(line_of), RECORDS.map(line_of), BROKEN, SURROGATE, BAD_UTF8),
    *(RECORDS.map(line_of).map(escaped), RECORDS.map(line_of).map(spaced), doubled(), quoting(), shuffled()),
)


@st.composite
def bodies(draw: st.DrawFn, *, cut: bool = True) -> bytes:
    """A transcript's bytes, perhaps cut anywhere."""
    body = b"".join(line + b"\n" for line in draw(st.lists(LINES, max_size=14)))
    if cut and draw(st.booleans()):
        body = body[: draw(st.integers(0, len(body)))]
    return body
