"""Groups of a person in Google Workspace: the Admin SDK, asked as a service account with domain-wide delegation."""

from __future__ import annotations

import json
from datetime import datetime
from urllib.parse import urlencode

from agnes.kernel.ports import Secret
from agnes.kernel.provider_web import ProviderRefused, ProviderWeb

TOKEN_URL = "https://oauth2.googleapis.com/token"
GROUPS_URL = "https://admin.googleapis.com/admin/directory/v1/groups"
SCOPE = "https://www.googleapis.com/auth/admin.directory.group.readonly"
A_PAGE = 200
MOST_PAGES = 25
_LIFETIME_SECONDS = 300


def groups_of(web: ProviderWeb, key: Secret, *, subject: str, email: str, now: datetime) -> tuple[str, ...]:
    """Addresses of the groups that `email` is in, in lower case; empty if it is in none.

    `key` is a service account's key file, `subject` the administrator as whom it asks. Raises ProviderUnreachable,
    ProviderRefused: then nothing is known of the groups.
    """
    access = _access_token(web, key, subject, now)
    found: list[str] = []
    page = ""
    for _ in range(MOST_PAGES):
        asked = {"userKey": email, "maxResults": str(A_PAGE)} | ({"pageToken": page} if page else {})
        answer = web.get(f"{GROUPS_URL}?{urlencode(asked)}", bearer=access)
        groups = answer.get("groups", [])
        if not isinstance(groups, list):
            raise ProviderRefused("Google's list of groups has another shape than is documented")
        for group in groups:
            address = group.get("email") if isinstance(group, dict) else None
            if not isinstance(address, str):
                raise ProviderRefused("Google's list of groups has another shape than is documented")
            found.append(address.strip().lower())
        page = str(answer.get("nextPageToken") or "")
        if not page:
            return tuple(dict.fromkeys(found))
    raise ProviderRefused(f"a person is in more than {A_PAGE * MOST_PAGES} Google groups")


def _access_token(web: ProviderWeb, key: Secret, subject: str, now: datetime) -> Secret:
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import RSAKey

    issued = int(now.timestamp())
    try:
        account = json.loads(key.value)
        claims = {
            "iss": account["client_email"], "sub": subject, "scope": SCOPE, "aud": TOKEN_URL, "iat": issued,
            "exp": issued + _LIFETIME_SECONDS,
        }  # fmt: skip
        assertion = jwt.encode({"alg": "RS256"}, claims, RSAKey.import_key(account["private_key"]))
    except (ValueError, KeyError, TypeError, JoseError):
        raise ProviderRefused(
            "the key of Google's service account cannot be read", hint="Store the whole key file as the secret."
        ) from None
    grant = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    token = web.post_form(TOKEN_URL, grant).get("access_token")
    if not isinstance(token, str) or not token:
        raise ProviderRefused("Google gave no access token to the service account")
    return Secret(token)
