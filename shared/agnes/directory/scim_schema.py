"""SCIM's resources (RFC 7643) as this service offers them. Importing it takes a tenth of a second: only SCIM's views do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationError
from scim2_models import (
    URN,
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    EnterpriseUser,
    Error,
    ETag,
    Filter,
    Mutability,
    Pagination,
    Patch,
    Reference,
    Required,
    Resource,
    ResourceType,
    SCIMException,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    User,
)

from agnes.directory.model import ScimError

ScimUser = User[EnterpriseUser]


class Member(ComplexAttribute):
    """As RFC 7643, 8.7.1, has it: without the name, which is the account's."""

    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    ref: Annotated[Reference[User[Any]] | None, Mutability.immutable] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    type: Annotated[str | None, Mutability.immutable] = Field(None, examples=["User"])


class Group(Resource[Any]):
    """As RFC 7643, 8.7.1, has it."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Group")

    display_name: Annotated[str | None, Required.true] = None
    members: list[Member] | None = None

    Members: ClassVar[type[ComplexAttribute]] = Member


MOST_RESULTS = 200
MOST_OPERATIONS = 1_000
MOST_BYTES = 4_000_000

POLICY = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)
"""What Entra ID and Okta send beside the letter of the specification."""

CONFIG = ServiceProviderConfig(
    documentation_uri="https://www.rfc-editor.org/rfc/rfc7644",
    patch=Patch(supported=True),
    bulk=Bulk(supported=True, max_operations=MOST_OPERATIONS, max_payload_size=MOST_BYTES),
    filter=Filter(supported=True, max_results=MOST_RESULTS),
    change_password=ChangePassword(supported=False),
    sort=Sort(supported=True),
    etag=ETag(supported=False),
    pagination=Pagination(cursor=False, index=True, default_page_size=100, max_page_size=MOST_RESULTS),
    authentication_schemes=[
        AuthenticationScheme(
            type=AuthenticationScheme.Type.oauthbearertoken,
            name="Access token",
            description="A personal access token of the scope scim, of a member of Admin.",
            primary=True,
        )
    ],
)
PROVIDER = ScimProvider(
    models=[User, EnterpriseUser, Group],
    resource_types=[ResourceType.from_resource(ScimUser), ResourceType.from_resource(Group)],
    config=CONFIG,
    policy=POLICY,
)


@contextmanager
def scim_rules() -> Iterator[None]:
    """Judge payloads by POLICY; what SCIM's library refuses becomes a ScimError."""
    try:
        with POLICY:
            yield
    except SCIMException as refused:
        raise scim_error(refused.to_error()) from refused
    except ValidationError as invalid:
        raise scim_error(Error.from_validation_errors(invalid)[0]) from invalid


def scim_error(error: Error) -> ScimError:
    return ScimError(error.status or 400, error.scim_type or "", error.detail or "the request is not valid")


def documents(base_url: str) -> dict[str, list[dict[str, Any]]]:
    """What discovery answers: ResourceTypes and Schemas with their places."""
    from scim2_models import Context, Meta

    found: dict[str, list[dict[str, Any]]] = {}
    for kind, resources in (("ResourceTypes", PROVIDER.resource_types), ("Schemas", PROVIDER.schemas)):
        described = []
        for resource in resources:
            shown = resource.model_copy(deep=True)
            shown.meta = Meta(resource_type=kind[:-1], location=f"{base_url}/{kind}/{resource.id}")
            described.append(shown.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE))
        found[kind] = described
    return found
