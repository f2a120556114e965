"""Secrets in files. Forms of vendors are detect-secrets' (computed, `agnes.checks.static`); here are those that it does not have."""

from __future__ import annotations

from agnes.checks.model import Severity
from agnes.checks.rules.model import Rule

_ADVICE = "Revoke it now, as others may have read it; ask for it with `userConfig`, or read it from the environment."
_FAKE = r"example|placeholder|dummy|fake|xxxx|your[-_]|redacted|0000000|1234567|abcdefg|\.\.\.|<[a-z_-]+>|test[_-]?key|sample"
_DRAWN = "kQ7vR2mZ9tLxW4nB8sYcJ1pHfG6dT3aEuV5oK0iQrMzXwNbS"

RULES = (
    Rule("secrets.form", Severity.HIGH, "a secret is written in it: {detail}", _ADVICE, "key = 'AKIA" + "QW7B3PDKHX4PY8GT'", "key = 'AKIAIOSFODNN7EXAMPLE'", example_path="scripts/run.py"),
    Rule("secrets.assigned", Severity.MEDIUM, "what looks like a secret is given to a variable of such a name", _ADVICE, "password = '" + "ROnl89Sm995ytbxAk7Qz'", "password = os.environ['DB_PASSWORD']", example_path="scripts/run.py"),
    Rule(
        "secrets.anthropic", Severity.HIGH, "a key of the Claude API is written in it", _ADVICE, "key = 'sk-ant-api03-" + _DRAWN + _DRAWN[:45] + "AA'", "key = 'sk-ant-api03-your-key-here'",
        terms=(r"(?-i)\bsk-ant-(?:api|admin|oat|ort)\d{2}-[A-Za-z0-9_-]{60,}",), unless=_FAKE, example_path="scripts/run.py",
    ),
    Rule(
        "secrets.vendor", Severity.HIGH, "a token of a vendor is written in it", _ADVICE, "token = 'github_pat_11" + _DRAWN[:20] + "_" + _DRAWN + "PqLzWkTnYbC'", "token = 'github_pat_xxxxxxxxxxxxxxxxxxxxxx_example'",
        terms=(r"(?-i)\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{50,}|\bsk-proj-[A-Za-z0-9_-]{40,}|\bhf_[A-Za-z]{34}\b|\bAIza[A-Za-z0-9_-]{35}\b|\bdop_v1_[a-f0-9]{64}\b|\bshpat_[a-f0-9]{32}\b|\bglsa_[A-Za-z0-9]{32}_|\bdapi[a-f0-9]{32}\b|\bpplx-[a-f0-9]{40,}|\bgsk_[A-Za-z0-9]{50,}|\bxoxe\.xox[bp]-|\bATATT3[A-Za-z0-9_=-]{60,}|\bntn_[A-Za-z0-9]{40,}|\blin_api_[A-Za-z0-9]{40}|\bsntrys_[A-Za-z0-9+/=_-]{60,}|\bvercel_[A-Za-z0-9]{24}|\bAGE-SECRET-KEY-1[A-Z0-9]{50,}",), unless=_FAKE, example_path="scripts/run.py",
    ),
    Rule(
        "secrets.private-key", Severity.HIGH, "a private key is written in it", _ADVICE, "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n", "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n",
        terms=(r"(?-i)-----BEGIN (?:[A-Z]+ ){0,2}PRIVATE KEY(?: BLOCK)?-----(?:\r?\n|\\n)(?:[A-Za-z-]+: [^\n]+\n){0,3}\n?[A-Za-z0-9+/=]{32,}",), unless=r"example|MIIEvQ\.\.\.|dummy|fake", example_path="config/key.pem",
    ),
    Rule(
        "secrets.in-address", Severity.HIGH, "an address holds a password", _ADVICE, "DATABASE = 'postgres://ana:" + "Xk29fLqP81zz@db.ledgers.internal/main'", "DATABASE = 'postgres://user:password@localhost/ledger'",
        terms=(r"\b(?:postgres(?:ql)?|mysql|mongodb(?:\+srv)?|redis|amqps?|https?|ftp|mssql)://[\w.%+-]{1,40}:[^\s:@/\"'$<{}*]{10,80}@[\w.-]{4,}",), unless=r"password|passwd|passw0rd|:pass@|secret@|example|user:|username|localhost|127\.0\.0\.1|@host|your|x-access-token|oauth2:|token@|changeme|\bpwd\b|@db[:/]|@postgres[:/]|@mysql[:/]|@redis[:/]|@mongo[:/]|dev\b|test", example_path="scripts/run.py",
    ),
)  # fmt: skip
