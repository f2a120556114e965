"""A house with a served marketplace, and the client's side of uploading in process."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import uuid4

import zstandard

from tests.builders.house import Answer, House
from tests.builders.people import Person

REGISTERED = "2026-01-01T00:00:00Z"


def serve(house: House, *plugins: str, marketplace: str = "acme", items: tuple[tuple[str, str, str], ...] = ()) -> None:
    """Rows of a synced marketplace, as telemetry reads them; `items` are (plugin, kind, name)."""

    def change(tx: Any) -> None:
        tx.db.execute(
            "INSERT INTO marketplace.registries BY NAME SELECT ? AS id, ? AS name, '' AS url, '' AS description, "
            "'' AS curator_name, '' AS curator_email, '' AS registered_by, ?::TIMESTAMPTZ AS registered_at, 0 AS reading_format",
            [marketplace, marketplace, REGISTERED],
        )
        for plugin in plugins:
            tx.db.execute(
                "INSERT INTO marketplace.plugins BY NAME SELECT ? AS marketplace_id, ? AS name, '' AS description, "
                "[] AS keywords, '{}' AS raw, 0 AS size_bytes, 0 AS file_count, false AS is_system, false AS disabled, "
                "?::TIMESTAMPTZ AS created_at, ?::TIMESTAMPTZ AS updated_at",
                [marketplace, plugin, REGISTERED, REGISTERED],
            )
        for plugin, kind, name in items:
            tx.db.execute(
                "INSERT INTO marketplace.items BY NAME SELECT ? AS marketplace_id, ? AS plugin_name, ? AS kind, ? AS name, "
                "'' AS description, '' AS relpath",
                [marketplace, plugin, kind, name],
            )

    house.state.commit("marketplace", change)


def upload_form(house: House, person: Person, session_id: str, body: bytes, *, filename: str | None = None) -> Answer:
    boundary = uuid4().hex
    head = f'Content-Disposition: form-data; name="file"; filename="{filename or session_id + ".jsonl"}"'
    form = f"--{boundary}\r\n{head}\r\n\r\n".encode() + body + f"\r\n--{boundary}--\r\n".encode()
    return house.post(
        "/api/upload/sessions",
        token=person.token,
        body=form,
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )


def declare(house: House, person: Person, session_id: str, packed: bytes, *, agent_id: str | None = None) -> Answer:
    wish = {
        "session_id": session_id,
        "agent_id": agent_id,
        "size_bytes": len(packed),
        "sha256": hashlib.sha256(packed).hexdigest(),
        "encoding": "zstd",
    }
    return house.post("/api/upload/sessions/presign", token=person.token, json_body=wish)


def put(house: House, presigned: dict[str, Any], packed: bytes) -> None:
    """What the HTTP PUT does at the local gateway."""
    allowed = house.store.open_presigned_url("PUT", presigned["url"])
    house.store.take_presigned(allowed, [packed], content_type=presigned["headers"]["Content-Type"])


def complete(house: House, person: Person, upload_id: str) -> Answer:
    return house.post("/api/upload/sessions/complete", token=person.token, json_body={"upload_id": upload_id})


def upload(
    house: House, person: Person, session_id: str, body: bytes, *, agent_id: str | None = None
) -> dict[str, Any]:
    """The whole presigned way; the answer of its completion."""
    packed = zstandard.compress(body)
    answer = declare(house, person, session_id, packed, agent_id=agent_id)
    assert answer.status == 200, answer.text
    put(house, answer.json(), packed)
    done = complete(house, person, answer.json()["upload_id"])
    assert done.status == 200, done.text
    return done.json()


def run_usage(house: House, admin: Person) -> dict[str, Any]:
    answer = house.post("/api/admin/run-session-processor?processor=usage", token=admin.token)
    assert answer.status == 200, answer.text
    return answer.json()["details"]


def figures(house: House) -> dict[tuple[str, str, str], dict[str, Any]]:
    """`item_windows` by (plugin, kind, name)."""
    with house.state.read("telemetry") as db:
        rows = db.execute("SELECT * FROM telemetry.item_windows")
        names = [column[0] for column in rows.description]
        found = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
    return {(row["plugin"], row["kind"], row["name"]): row for row in found}


def tables(house: House) -> dict[str, Any]:
    """Everything that telemetry concluded, without what names a run: for comparing two histories."""
    with house.state.read("telemetry") as db:
        sessions = db.execute(
            "SELECT * EXCLUDE (generation, extracted_at) FROM telemetry.sessions ORDER BY user_id, session_id"
        ).fetchall()
        daily = db.execute("SELECT * FROM telemetry.item_daily ORDER BY ALL").fetchall()
        windows = db.execute("SELECT * FROM telemetry.item_windows ORDER BY ALL").fetchall()
    return json.loads(json.dumps({"sessions": sessions, "daily": daily, "windows": windows}, default=str))
