"""What API Gateway does to headers, gateway responses and authorizers: the rules that LocalStack is taught."""

from __future__ import annotations

import pytest
from agnes_lambda_executor import gateway_rules as rules

PASSED = (
    "Accept",
    "Age",
    "Cache-Control",
    "Content-Encoding",
    "Content-Type",
    "ETag",
    "Location",
    "Pragma",
    "Set-Cookie",
)
REMAPPED = (
    *("Authorization", "Connection", "Content-MD5", "Date", "Max-Forwards", "Server", "User-Agent", "WWW-Authenticate"),
)
DROPPED = ("Expect", "Host", "Proxy-Authenticate", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Via")


@pytest.mark.parametrize("name", PASSED)
def test_headers_of_an_answer_that_stay(name: str) -> None:
    assert rules.answered([(name, "x")]) == [(name, "x")]


@pytest.mark.parametrize("name", [*REMAPPED, "www-authenticate", "WWW-AUTHENTICATE"])
def test_headers_of_an_answer_that_are_renamed(name: str) -> None:
    assert rules.answered([(name, "x")]) == [(f"x-amzn-Remapped-{name}", "x")]


@pytest.mark.parametrize("name", DROPPED)
def test_headers_of_an_answer_that_are_dropped(name: str) -> None:
    assert rules.answered([("ETag", "1"), (name, "x")]) == [("ETag", "1")]


def test_repeated_headers_stay_repeated() -> None:
    cookies = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    assert rules.answered(cookies) == cookies


@pytest.mark.parametrize(
    "name",
    ["Connection", "Content-MD5", "Expect", "Max-Forwards", "Proxy-Authenticate", "Server", "te", "Trailer", "Upgrade",
     "WWW-Authenticate"],
)  # fmt: skip
def test_headers_of_a_request_that_no_function_sees(name: str) -> None:
    assert rules.handed_over([(name, "x"), ("Git-Protocol", "version=2")]) == [("Git-Protocol", "version=2")]


def test_a_login_reaches_the_function_and_a_signature_of_aws_does_not() -> None:
    login = [("authorization", "Basic eDp5")]
    assert rules.handed_over(login) == login
    assert rules.handed_over([("Authorization", "AWS4-HMAC-SHA256 Credential=x")]) == []


def test_a_body_in_chunks_is_refused() -> None:
    assert rules.refused([("Transfer-Encoding", "chunked"), ("Accept", "*/*")]) == ["Transfer-Encoding"]


def test_a_gateway_response_has_its_fixed_headers_and_its_template() -> None:
    parameters = {
        "gatewayresponse.header.WWW-Authenticate": "'Basic realm=\"x\"'",
        "gatewayresponse.header.Origin": "method.request.header.Origin",
    }
    assert rules.gateway_headers(parameters) == [("WWW-Authenticate", 'Basic realm="x"')]
    assert rules.gateway_headers(None) == []
    given = {"requestId": "r-1", "error": {"messageString": "no"}}
    template = '{"request_id":"$context.requestId","said":"$context.error.messageString","$context.other":""}'
    assert rules.gateway_body(template, given) == '{"request_id":"r-1","said":"no","":""}'


SOURCE = "method.request.header.Authorization"


@pytest.mark.parametrize(
    ("headers", "who"),
    [
        ([("Authorization", "Basic x")], ("Basic x",)),
        ([("authorization", "Basic x")], ("Basic x",)),
        ([("Authorization", "")], None),
        ([("Cookie", "access_token=x")], None),
        ([], None),
    ],
)
def test_who_an_authorizer_is_asked_about(headers: rules.Pairs, who: tuple[str, ...] | None) -> None:
    assert rules.identity(SOURCE, headers) == who


def test_an_identity_source_that_is_not_emulated_is_not_taken_for_there() -> None:
    with pytest.raises(ValueError, match=r"method\.request\.querystring\.token"):
        rules.identity(f"{SOURCE}, method.request.querystring.token", [("Authorization", "x")])


def test_a_policy_allows_what_it_names_and_a_denial_counts_more() -> None:
    allow = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "arn:x/prod/*/marketplace.git/*"}
    deny = {**allow, "Effect": "Deny", "Resource": ["arn:x/prod/POST/*"]}
    assert rules.allows({"Statement": [allow]}, "arn:x/prod/GET/marketplace.git/info/refs")
    assert not rules.allows({"Statement": [allow]}, "arn:x/prod/GET/api/users")
    assert not rules.allows({"Statement": [allow, deny]}, "arn:x/prod/POST/marketplace.git/git-upload-pack")
    assert not rules.allows({}, "arn:x/prod/GET/marketplace.git/info/refs")
