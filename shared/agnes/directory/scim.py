"""SCIM 2.0 (RFC 7644): what a directory asks for, and what it is answered. Every change is one commit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scim2_models import Context, ListResponse, PatchOp, ResponseParameters, SearchRequest

from agnes.directory import repository, scim_groups, scim_schema, scim_users
from agnes.directory.model import ScimError
from agnes.directory.scim_errors import error_body
from agnes.directory.scim_schema import MOST_BYTES, MOST_OPERATIONS, MOST_RESULTS, Group, ScimUser, scim_rules
from agnes.kernel.errors import AgnesError
from agnes.kernel.state import Db, State, Tx

PATH = "/scim/v2"
PAGE = 100
BULK_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
_EQUALS = re.compile(
    r'\s*(?:urn:ietf:params:scim:schemas:core:2\.0:User:)?(id|userName|externalId|emails(?:\[type eq "\w+"\])?(?:\.value)?)'
    r'\s+eq\s+"([^"\\]{1,300})"\s*',
    re.IGNORECASE,
)
"""What directories look people up by. It only narrows down whom the whole filter is asked about."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A body and its status; None with 204."""

    body: dict[str, Any] | None
    status: int = 200
    location: str = ""


@dataclass(frozen=True, slots=True)
class Scim:
    """One request of a directory."""

    state: State
    base_url: str
    """Of SCIM's root, such as https://agnes.example.com/scim/v2."""
    by: str
    """E-mail address of the token's owner, for the audit."""
    now: datetime

    def answer(self, method: str, kind: str, thing: str, query: Mapping[str, str], body: Any) -> Answer:
        """Of `/scim/v2/<kind>` or `/scim/v2/<kind>/<thing>`. Raises ScimError, LastAdmin."""
        plain: dict[tuple[str, str], Callable[[], Answer]] = {
            ("GET", "Users"): lambda: self.list_users(query),
            ("POST", "Users"): lambda: self.create_user(body),
            ("GET", "Groups"): lambda: self.list_groups(query),
            ("POST", "Groups"): lambda: self.create_group(body),
            ("POST", ".search"): lambda: self.search(body),
            ("POST", "Bulk"): lambda: self.bulk(body),
            ("GET", "ServiceProviderConfig"): self.config,
            ("GET", "ResourceTypes"): lambda: self.described("ResourceTypes"),
            ("GET", "Schemas"): lambda: self.described("Schemas"),
        }
        of_one: dict[tuple[str, str], Callable[[], Answer]] = {
            ("GET", "Users"): lambda: self.get_user(thing, query),
            ("PUT", "Users"): lambda: self.replace_user(thing, body),
            ("PATCH", "Users"): lambda: self.patch_user(thing, body),
            ("DELETE", "Users"): lambda: self.delete_user(thing),
            ("GET", "Groups"): lambda: self.get_group(thing, query),
            ("PUT", "Groups"): lambda: self.replace_group(thing, body),
            ("PATCH", "Groups"): lambda: self.patch_group(thing, body),
            ("DELETE", "Groups"): lambda: self.delete_group(thing),
            ("GET", "ResourceTypes"): lambda: self.described("ResourceTypes", thing),
            ("GET", "Schemas"): lambda: self.described("Schemas", thing),
        }
        action = (of_one if thing else plain).get((method, kind))
        if action is not None:
            return action()
        if any(offered == kind for _, offered in (of_one if thing else plain)):
            raise ScimError(405, "", f"{method} is not offered at this path")
        raise ScimError(404, "", f"there is no {kind[:64]} here")

    # ---- users

    def list_users(self, query: Mapping[str, Any]) -> Answer:
        with scim_rules():
            asked = SearchRequest[ScimUser].model_validate(dict(query), scim_ctx=Context.SEARCH_REQUEST)
            with self.state.read("people") as db:
                if asked.filter is None and asked.sort_by is None:
                    first, count = _window(asked)
                    rows = repository.users(db, offset=first, limit=count)
                    found = scim_users.resources_of(db, rows, self.base_url)
                    return _listed(ListResponse[ScimUser], found, repository.count_users(db), first, asked)
                narrow = _EQUALS.fullmatch(str(asked.filter or ""))
                rows = repository.users_with(db, _attribute(narrow[1]), narrow[2]) if narrow else repository.users(db)
                found = scim_users.resources_of(db, rows, self.base_url)
            return _searched(ListResponse[ScimUser], found, asked)

    def get_user(self, user_id: str, query: Mapping[str, str]) -> Answer:
        with scim_rules():
            asked = ResponseParameters[ScimUser].model_validate(dict(query), scim_ctx=Context.RESOURCE_QUERY_REQUEST)
            with self.state.read("people") as db:
                resource = self._user(db, user_id)
            dumped = resource.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=asked)
            return Answer(dumped)

    def create_user(self, body: Any) -> Answer:
        with scim_rules():
            wanted = _new_user(body)

            def change(tx: Tx) -> Any:
                (user_id,) = scim_users.add(tx, [wanted], by=self.by, now=self.now)
                return self._user(tx.db, user_id)

            return self._created(self.state.commit("people", change))

    def replace_user(self, user_id: str, body: Any) -> Answer:
        with scim_rules():

            def change(tx: Tx) -> Any:
                wanted = ScimUser.model_validate(body, scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST)
                wanted.replace(self._user(tx.db, user_id))
                scim_users.put(tx, scim_users.get(tx.db, user_id), wanted, by=self.by, now=self.now)
                return self._user(tx.db, user_id)

            made = self.state.commit("people", change)
            return Answer(made.model_dump(scim_ctx=Context.RESOURCE_REPLACEMENT_RESPONSE))

    def patch_user(self, user_id: str, body: Any) -> Answer:
        with scim_rules():
            asked = PatchOp[ScimUser].model_validate(_plain_booleans(body), scim_ctx=Context.RESOURCE_PATCH_REQUEST)
            apply = asked.patch

            def change(tx: Tx) -> Any:
                resource = self._user(tx.db, user_id)
                if apply(resource):
                    scim_users.put(tx, scim_users.get(tx.db, user_id), resource, by=self.by, now=self.now)
                return self._user(tx.db, user_id)

            made = self.state.commit("people", change)
            return Answer(made.model_dump(scim_ctx=Context.RESOURCE_PATCH_RESPONSE))

    def delete_user(self, user_id: str) -> Answer:
        self.state.commit("people", lambda tx: scim_users.remove(tx, user_id, by=self.by, now=self.now))
        return Answer(None, 204)

    # ---- groups

    def list_groups(self, query: Mapping[str, Any]) -> Answer:
        with scim_rules():
            asked = SearchRequest[Group].model_validate(dict(query), scim_ctx=Context.SEARCH_REQUEST)
            left_out = {str(path).lower() for path in asked.excluded_attributes or []}
            wanted = {str(path).partition(".")[0].lower() for path in asked.attributes or []}
            shows = "members" not in left_out and (not wanted or "members" in wanted)
            needs = "members" in str(asked.filter or "").lower() or str(asked.sort_by or "").lower().startswith(
                "members"
            )
            with self.state.read("people") as db:
                found = scim_groups.resources_of(db, repository.groups(db), self.base_url, with_members=shows or needs)
            return _searched(ListResponse[Group], found, asked)

    def get_group(self, group_id: str, query: Mapping[str, str]) -> Answer:
        with scim_rules():
            asked = ResponseParameters[Group].model_validate(dict(query), scim_ctx=Context.RESOURCE_QUERY_REQUEST)
            with self.state.read("people") as db:
                resource = self._group(db, group_id)
            dumped = resource.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=asked)
            return Answer(dumped)

    def create_group(self, body: Any) -> Answer:
        with scim_rules():
            wanted = Group.model_validate(body, scim_ctx=Context.RESOURCE_CREATION_REQUEST)
            made = self.state.commit("people", lambda tx: self._group(tx.db, scim_groups.add(tx, wanted, now=self.now)))
            return self._created(made)

    def replace_group(self, group_id: str, body: Any) -> Answer:
        with scim_rules():

            def change(tx: Tx) -> Any:
                wanted = Group.model_validate(body, scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST)
                wanted.replace(self._group(tx.db, group_id))
                scim_groups.put(tx, scim_groups.get(tx.db, group_id), wanted, now=self.now)
                return self._group(tx.db, group_id)

            made = self.state.commit("people", change)
            return Answer(made.model_dump(scim_ctx=Context.RESOURCE_REPLACEMENT_RESPONSE))

    def patch_group(self, group_id: str, body: Any) -> Answer:
        with scim_rules():
            asked = PatchOp[Group].model_validate(body, scim_ctx=Context.RESOURCE_PATCH_REQUEST)
            apply = asked.patch

            def change(tx: Tx) -> Any:
                row = scim_groups.get(tx.db, group_id)
                if scim_groups.change_some_members(tx, row, asked, now=self.now):
                    return None
                resource = self._group(tx.db, group_id)
                if apply(resource):
                    scim_groups.put(tx, row, resource, now=self.now)
                return self._group(tx.db, group_id)

            made = self.state.commit("people", change)
            # A group may have ten thousand members: what only adds or removes some of them is answered without a body.
            return Answer(made.model_dump(scim_ctx=Context.RESOURCE_PATCH_RESPONSE)) if made else Answer(None, 204)

    def delete_group(self, group_id: str) -> Answer:
        self.state.commit("people", lambda tx: scim_groups.remove(tx, group_id))
        return Answer(None, 204)

    def search(self, body: Any) -> Answer:
        """Users and groups, as one list."""
        with scim_rules():
            asked = SearchRequest[ScimUser | Group].model_validate(body, scim_ctx=Context.SEARCH_REQUEST)
            with self.state.read("people") as db:
                found = scim_users.resources_of(db, repository.users(db), self.base_url)
                found += scim_groups.resources_of(db, repository.groups(db), self.base_url)
            return _searched(ListResponse[ScimUser | Group], found, asked)

    # ---- many at once, and what there is

    def bulk(self, body: Any) -> Answer:
        """Each operation in turn, as RFC 7644, 3.7, says; new users that follow one another are one commit."""
        if not isinstance(body, dict) or not isinstance(body.get("Operations"), list):
            raise ScimError(400, "invalidSyntax", "a bulk request has a list of Operations")
        operations = body["Operations"]
        if len(operations) > MOST_OPERATIONS or len(json.dumps(body)) > MOST_BYTES:
            raise ScimError(413, "", f"a bulk request has at most {MOST_OPERATIONS} operations and {MOST_BYTES} bytes")
        most = body.get("failOnErrors")
        done: list[dict[str, Any]] = []
        ids: dict[str, str] = {}
        failed, at = 0, 0
        while at < len(operations) and not (isinstance(most, int) and 0 < most <= failed):
            together = _new_users(operations[at:])
            answers = self._add_together(together) if len(together) > 1 else None
            if answers is None:
                together, answers = operations[at : at + 1], [self._one(operations[at], ids)]
            for operation, answer in zip(together, answers, strict=True):
                done.append(_bulk_line(operation, answer))
                failed += answer.status >= 400
                bulk_id = operation.get("bulkId") if isinstance(operation, dict) else None
                if isinstance(bulk_id, str) and answer.location:
                    ids[bulk_id] = answer.location.rpartition("/")[2]
            at += len(together)
        return Answer({"schemas": [BULK_RESPONSE], "Operations": done})

    def _add_together(self, operations: list[dict[str, Any]]) -> list[Answer] | None:
        """One commit for all of them; None if one cannot be made, so that each is tried alone."""
        try:
            with scim_rules():
                wanted = [_new_user(one["data"]) for one in operations]
                ids = self.state.commit("people", lambda tx: scim_users.add(tx, wanted, by=self.by, now=self.now))
        except ScimError:
            return None
        return [Answer(None, 201, f"{self.base_url}/Users/{user_id}") for user_id in ids]

    def _one(self, operation: Any, ids: Mapping[str, str]) -> Answer:
        try:
            return self._routed(operation, ids)
        except AgnesError as refused:
            return Answer(error_body(refused), refused.status)

    def _routed(self, operation: Any, ids: Mapping[str, str]) -> Answer:
        if not isinstance(operation, dict):
            raise ScimError(400, "invalidSyntax", "an operation is an object")
        path = str(operation.get("path", "")).strip("/").split("/")
        data = _with_ids(operation.get("data"), ids)
        kind, thing = path[0], _with_ids(path[1], ids) if len(path) == 2 else ""
        method = str(operation.get("method", "")).upper()
        if len(path) > 2 or method == "GET" or kind not in ("Users", "Groups"):
            raise ScimError(400, "invalidValue", "the operation's method and path are not offered")
        answer = self.answer(method, kind, thing, {}, data)
        return Answer(
            answer.body, answer.status, answer.location or (f"{self.base_url}/{kind}/{thing}" if thing else "")
        )

    def config(self) -> Answer:
        shown = scim_schema.CONFIG.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
        meta = {"resourceType": "ServiceProviderConfig", "location": f"{self.base_url}/ServiceProviderConfig"}
        return Answer({**shown, "meta": meta})

    def described(self, kind: str, name: str = "") -> Answer:
        """ResourceTypes or Schemas, or the one of this id. Raises ScimError."""
        found = scim_schema.documents(self.base_url)[kind]
        if not name:
            resources = {"totalResults": len(found), "itemsPerPage": len(found), "startIndex": 1, "Resources": found}
            return Answer({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], **resources})
        one = next((document for document in found if document["id"].lower() == name.lower()), None)
        if one is None:
            raise ScimError(404, "", f"there is no {kind[:-1]} {name[:100]}")
        return Answer(one)

    def _user(self, db: Db, user_id: str) -> Any:
        (resource,) = scim_users.resources_of(db, [scim_users.get(db, user_id)], self.base_url)
        return resource

    def _group(self, db: Db, group_id: str) -> Any:
        (resource,) = scim_groups.resources_of(db, [scim_groups.get(db, group_id)], self.base_url)
        return resource

    def _created(self, resource: Any) -> Answer:
        dumped = resource.model_dump(scim_ctx=Context.RESOURCE_CREATION_RESPONSE)
        return Answer(dumped, 201, dumped["meta"]["location"])


def _new_user(body: Any) -> Any:
    wanted = ScimUser.model_validate(body, scim_ctx=Context.RESOURCE_CREATION_REQUEST)
    if wanted.active is None:
        wanted.active = True
    return wanted


def _window(asked: Any) -> tuple[int, int]:
    """(how many to leave out, how many to show)"""
    count = PAGE if asked.count is None else max(0, asked.count)
    return max(0, (asked.start_index or 1) - 1), min(count, MOST_RESULTS)


def _listed(kind: Any, resources: list[Any], total: int, first: int, asked: Any) -> Answer:
    response = kind(
        total_results=total, start_index=first + 1, items_per_page=len(resources), resources=resources or None
    )
    dumped = response.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=asked)
    return Answer(dumped)


def _searched(kind: Any, found: list[Any], asked: Any) -> Answer:
    matching = [one for one in found if asked.filter is None or asked.filter.match(one)]
    if asked.sort_by is not None:
        matching = asked.sort(matching)
    first, count = _window(asked)
    return _listed(kind, matching[first : first + count], len(matching), first, asked)


def _attribute(name: str) -> str:
    lower = name.lower()
    return {"id": "id", "username": "userName", "externalid": "externalId"}.get(lower, "emails")


def _plain_booleans(body: Any) -> Any:
    """Entra ID sends `active` as a text in some of its requests."""
    operations = body.get("Operations") if isinstance(body, dict) else None
    if not isinstance(operations, list):
        return body
    words = {"true": True, "false": False}
    changed = []
    for one in operations:
        if isinstance(one, dict) and isinstance(one.get("value"), str) and str(one.get("path", "")).lower() == "active":
            changed.append({**one, "value": words.get(one["value"].lower(), one["value"])})
        elif (
            isinstance(one, dict) and isinstance(one.get("value"), dict) and isinstance(one["value"].get("active"), str)
        ):
            active = words.get(one["value"]["active"].lower(), one["value"]["active"])
            changed.append({**one, "value": {**one["value"], "active": active}})
        else:
            changed.append(one)
    return {**body, "Operations": changed}


def _new_users(operations: list[Any]) -> list[dict[str, Any]]:
    """As many of the first as only make users."""
    found: list[dict[str, Any]] = []
    for one in operations:
        path = str(one.get("path", "")).strip("/") if isinstance(one, dict) else ""
        if path != "Users" or str(one.get("method", "")).upper() != "POST" or not isinstance(one.get("data"), dict):
            break
        found.append(one)
    return found


def _with_ids(value: Any, ids: Mapping[str, str]) -> Any:
    """With `bulkId:…` as the id that was made for it."""
    if isinstance(value, str) and value.startswith("bulkId:"):
        return ids.get(value.removeprefix("bulkId:"), value)
    if isinstance(value, list):
        return [_with_ids(each, ids) for each in value]
    if isinstance(value, dict):
        return {name: _with_ids(each, ids) for name, each in value.items()}
    return value


def _bulk_line(operation: Any, answer: Answer) -> dict[str, Any]:
    given = operation if isinstance(operation, dict) else {}
    line: dict[str, Any] = {"method": str(given.get("method", "")).upper(), "status": str(answer.status)}
    if isinstance(given.get("bulkId"), str):
        line["bulkId"] = given["bulkId"]
    if answer.location:
        line["location"] = answer.location
    if answer.status >= 400:
        line["response"] = answer.body
    return line
