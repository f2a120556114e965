"""Writes docs/checks.md: `make docs`. The rules are `agnes.checks.RULES`; the figures are those that `make checks-score` prints."""

from __future__ import annotations

from pathlib import Path

from agnes.checks import CATEGORIES, RULES, Rule
from agnes.checks.reviewing.model import SENTENCES

PAGE = Path(__file__).parents[2] / "docs" / "checks.md"

TEXT = """\
# How uploads to the flea market are checked

Before anybody sees an upload, two reviewers read all of it: rules, which ask nobody, and a language model, where a key is configured. This page
is written from the code by `make docs`.

## What happens with a finding

| Stage | What follows |
|---|---|
| `manifest`, `content` | The upload is refused with the findings; its owner repairs it. |
| `security`, high or critical | It is held: an admin decides. |
| `security`, medium and lower; `quality` | It is shown to the owner and to the admin who looks. |
| `review` | By the verdict of the language model. |

An update that gains capabilities (hooks, servers, shell commands, hosts, ...) always waits for an admin. A finding names the rule, the file, the
line and what to do. It holds no bytes of the file, so no secret. Whenever the rules or their scanners change, the digest of the rules does, and
uploads that were checked by other rules are checked again.

## What is read

Every byte. Texts are read as they are, without invisible and look-alike characters, with pieces put together, and with encoded words decoded
(base64, hexadecimal, escapes, character codes, up to four within one another). Commands of hooks, servers, monitors and skills are read as they
run. Archives are opened, in memory, within bounds; of pictures, documents and programs the readable parts are read. What a bound keeps from being
read is a finding that holds the upload. Names, the description, attached documents and the name of the photo are read like files.

In code and configuration, names are followed through a file: what comes from another machine, from a decoder or from a place of secrets is known by the
variables and files that hold it, so that fetching on one line and running on another is one finding.

The work is bounded by the size: RE2 and an automaton of words take linear time, and no expression is matched by backtracking
([decision 128](decisions/0128-words-first-then-patterns.md)).

## The language model

It reads the whole upload in parts. Its rules are in the system prompt alone; what was uploaded is between delimiters that are drawn for each
request. Each part holds a planted attack, and each file two words to repeat: an answer that misses one of them is thrown away, as its author did
not read or was talked over ([decision 130](decisions/0130-proofs-of-reading.md)). The model never approves what it did not read:

| Why a review is not *safe* | What is shown |
|---|---|
{reasons}

## How good it is

Static rules alone, on samples of a seeded generator (`make checks-score`), 250 malicious and 250 benign each:

| Samples | Recall | False positives |
|---|---|---|
| `tuning`: general forms of attack classes; rules are tuned on them | 100 % | 0 % |
| `incidents`: after published incidents. Measured blind at first: 72.8 %, 0 % | {incidents} | 0 % |
| `techniques`: each technique in several languages and wordings. 41 % before there were rules by class of technique | {techniques} | 0 % |
| `untuned`: other cases and words, written after the first rules, never read by who wrote the later ones. 70.8 % when first measured | {untuned} | 0 % |

By class, of `untuned`: {by_class}.

The aim of 90 % on samples that were not tuned on is **not reached**: of attacks in new words, rules find three in four. What they miss is said
in [decision 145](decisions/0145-rules-by-class-of-technique.md): wishes in new words, and code in ways of its own. That is for the language model
and for the admin. The pipeline with the scripted reviewer of the tests, which knows a list of bad words and no more, published all benign samples
and held 2.4 points more of `untuned` than rules alone when both were first measured: that shows that the two work together, and says nothing
about a real model, which was not measured.

Public plugins and skills are the independent measure of false positives (read in November 2026, not kept): of 299 from twelve repositories, at most 45
of each, {public} are held; 20 (6.7 %) were before there were rules by class of technique. Rules were made narrower after looking at these, so it is no
blind figure. Most have a reason that an admin should see: programs that are downloaded and run, hooks that answer permission prompts, tests and
guards that quote attacks. Earlier measures: three of 243 that rules were tuned on, 10.4 % of 299 others, 30 % of 120 that were looked at once.

## Rules

{rules}
"""
INCIDENTS, TECHNIQUES, UNTUNED = "94.4 %", "94.0 %", "74.8 %"
BY_CLASS = "injection 50 %, remote code 56 %, obfuscation 68 %, exfiltration 65 %, persistence 81 %, weakening 81 %, typosquats 100 %, updates 100 %"
PUBLIC = "23 (7.7 %)"


def row(rule: Rule) -> str:
    reason = rule.reason.replace(": {detail}", "").replace(" {detail}", "").replace("|", "\\|")
    return f"| `{rule.id}` | {rule.severity} | {reason[0].upper()}{reason[1:]}. | {rule.advice.replace('|', chr(92) + '|')} |"


def page() -> str:
    parts = []
    for category, about in CATEGORIES.items():
        rows = [row(rule) for rule in RULES if rule.category == category]
        parts.append(
            f"### {category}\n\n{about}.\n\n| Rule | Severity | What was found | What to do |\n|---|---|---|---|\n"
            + "\n".join(rows)
            + "\n"
        )
    reasons = "\n".join(f"| `{reason}` | {sentence} |" for reason, sentence in SENTENCES.items())
    return TEXT.format(
        reasons=reasons,
        rules="\n".join(parts).rstrip(),
        incidents=INCIDENTS,
        techniques=TECHNIQUES,
        untuned=UNTUNED,
        by_class=BY_CLASS,
        public=PUBLIC,
    )


if __name__ == "__main__":
    PAGE.write_text(page())
