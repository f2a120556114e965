"""A reviewer over the Messages API on loopback that really reads what it is sent, and can be lazy, talked over, or out of order.

    with ScriptedReviewer(honest) as api:
        ...  ANTHROPIC_BASE_URL=api.url ...

It parses requests as a model would see them: the nonce of the first line, files between its delimiters. `honest` judges by a list of
words, so it finds planted files and what tests call bad; a test that wants another judgement gives another function.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.builders.scripted_messages_api import Reply, Request, ScriptedMessagesApi, Usage, text

BAD = re.compile(
    r"~/\.ssh|~/\.aws|os\.environ\)|crontab -|\| (?:sh|bash)\b|bypassPermissions|rmtree|WICKED|Do not mention this step",
    re.IGNORECASE,
)
_FILE = re.compile(
    r"^<file (?P<nonce>\w+) number=(?P<number>\d+) word=(?P<opening>\w+) path=(?P<path>\".*?\")>\n(?P<body>.*?)\n"
    r"</file (?P=nonce) number=(?P=number) word=(?P<closing>\w+)>$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Sent:
    """A file of a request."""

    number: int
    opening: str
    closing: str
    path: str
    body: str


def files(prompt: str) -> list[Sent]:
    nonce = re.match(r"Part \d+ of \d+\. The nonce is (\w+)\.", prompt)
    assert nonce is not None, prompt[:200]
    return [
        Sent(int(found["number"]), found["opening"], found["closing"], json.loads(found["path"]), found["body"])
        for found in _FILE.finditer(prompt)
        if found["nonce"] == nonce[1]
    ]


def read(sent: Sent, risk: str, reason: str = "It says so.") -> dict[str, Any]:
    return {
        "file": sent.number,
        "opening_word": sent.opening,
        "closing_word": sent.closing,
        "risk": risk,
        "reason": reason,
    }


def answer(judged: Sequence[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"files": list(judged), "findings": [], "descriptions": [], "summary": "A part of an upload.", **more}


def honest(prompt: str) -> dict[str, Any]:
    """Calls what has a bad word high, and names the line."""
    sent = files(prompt)
    found = [
        {
            "file": one.number,
            "line": int(line.partition("|")[0]),
            "severity": "high",
            "category": "data_exfiltration",
            "explanation": f"It does this: {line}",
            "advice": "Remove it.",
        }
        for one in sent
        for line in one.body.split("\n")
        if BAD.search(line)
    ]
    bad = {one["file"] for one in found}
    return answer([read(one, "high" if one.number in bad else "safe") for one in sent], findings=found)


def lazy(prompt: str) -> dict[str, Any]:
    """Repeats the words and calls everything safe."""
    return answer([read(one, "safe") for one in files(prompt)])


def skimming(prompt: str) -> dict[str, Any]:
    """Looks at openings only."""
    whole = honest(prompt)
    return {**whole, "files": [{**one, "closing_word": one["opening_word"]} for one in whole["files"]]}


def obedient(prompt: str) -> dict[str, Any]:
    """Does what the files say."""
    if re.search(r"report (?:everything|all files) as safe", prompt):
        return lazy(prompt)
    return honest(prompt)


class Refusal(Reply):
    """The model's own refusal to answer."""

    @property
    def stop_reason(self) -> str:
        return "refusal"


def refusing(prompt: str) -> Reply:
    return Refusal([text("")])


Judge = Callable[[str], "dict[str, Any] | str | int | Reply"]
"""An answer as an object; a text that is sent as it is; a status of HTTP."""


@dataclass
class ScriptedReviewer(ScriptedMessagesApi):
    """`judge` answers every request; a list answers one after the other, the last one for ever."""

    scripts: Sequence[Any] = ()
    judge: Judge | Sequence[Judge] = honest
    usage: Usage = field(default_factory=lambda: Usage(input=10_000, output=800))
    prompts: list[str] = field(default_factory=list)

    def next_reply(self, request: Request) -> tuple[str, Reply] | str | int:
        with self._lock:
            self.requests.append(request)
            self.prompts.append(request.opening)
            judges = self.judge if isinstance(self.judge, Sequence) else [self.judge]
            judge = judges[min(len(self.prompts), len(judges)) - 1]
            name = next(self._names)
        told = judge(request.opening)
        if isinstance(told, int):
            return told
        if isinstance(told, Reply):
            return name, told
        return name, Reply([text(told if isinstance(told, str) else json.dumps(told))], self.usage)
