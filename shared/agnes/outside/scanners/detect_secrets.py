"""Secrets in lines by detect-secrets. Nothing is verified with a vendor, and no value leaves this module."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

from agnes.kernel.scanning import SecretFound

MAX_LINE_CHARACTERS = 4_096
"""Of a line that is looked at; a caller hands over windows of longer ones."""
BY_FORM = (
    ("artifactory", "ArtifactoryDetector"),
    ("aws", "AWSKeyDetector"),
    ("azure_storage_key", "AzureStorageKeyDetector"),
    ("discord", "DiscordBotTokenDetector"),
    ("github_token", "GitHubTokenDetector"),
    ("gitlab_token", "GitLabTokenDetector"),
    ("jwt", "JwtTokenDetector"),
    ("mailchimp", "MailchimpDetector"),
    ("npm", "NpmDetector"),
    ("openai", "OpenAIDetector"),
    ("pypi_token", "PypiTokenDetector"),
    ("sendgrid", "SendGridDetector"),
    ("slack", "SlackDetector"),
    ("square_oauth", "SquareOAuthDetector"),
    ("stripe", "StripeDetector"),
    ("telegram_token", "TelegramBotTokenDetector"),
    ("twilio", "TwilioKeyDetector"),
)
"""Detectors that know a vendor's form. Left out: IBM's and Cloudant's, which take any hexadecimal word near their name."""
_PLACEHOLDER = re.compile(
    r"example|sample|placeholder|your|dummy|fake|test|changeme|redacted|x{4}|\.{3}|\*{3}|0{8}|1234567|abcdef|deadbeef|[<>{}]",
    re.IGNORECASE,
)


class DetectSecrets:
    @property
    def version(self) -> str:
        from importlib.metadata import version

        return f"detect-secrets {version('detect-secrets')}"

    def secrets(self, line: str) -> list[SecretFound]:
        line = line[:MAX_LINE_CHARACTERS]
        found = set()
        for plugin in self._by_form:
            if any(self._is_real(value) for value in plugin.analyze_string(line)):
                found.add(SecretFound(plugin.secret_type, is_certain=True))
        if not found:
            values = self._keyword.analyze_string(line)
            if any(self._is_real(value) and self._is_random(value) for value in values):
                found.add(SecretFound(self._keyword.secret_type, is_certain=False))
        return sorted(found, key=lambda one: one.kind)

    def _is_real(self, value: str) -> bool:
        if isinstance(value, tuple):  # some detectors give the groups of their pattern
            value = "".join(value)
        return not _PLACEHOLDER.search(value) and not any(is_none(value) for is_none in self._heuristics)

    def _is_random(self, value: str) -> bool:
        """Whether a guess by the variable's name looks drawn: long, of several kinds of characters, and no words."""
        kinds = (str.islower, str.isupper, str.isdigit)
        return len(value) >= 16 and " " not in value and sum(any(kind(c) for c in value) for kind in kinds) >= 3

    @cached_property
    def _by_form(self) -> list[Any]:
        from importlib import import_module

        return [getattr(import_module(f"detect_secrets.plugins.{module}"), name)() for module, name in BY_FORM]

    @cached_property
    def _keyword(self) -> Any:
        from detect_secrets.plugins.keyword import KeywordDetector

        return KeywordDetector()

    @cached_property
    def _heuristics(self) -> list[Callable[[str], bool]]:
        from detect_secrets.filters import heuristic

        return [
            heuristic.is_sequential_string,
            heuristic.is_potential_uuid,
            heuristic.is_templated_secret,
            heuristic.is_not_alphanumeric_string,
        ]
