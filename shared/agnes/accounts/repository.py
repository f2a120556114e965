"""SQL over accounts, memberships, ended sign-ins and setup secrets. Tokens have their own (`tokens`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agnes.accounts import factor_repository
from agnes.accounts.model import (
    ADMIN,
    EVERYONE,
    SYNC_CREATORS,
    SYNC_SOURCES,
    SYSTEM_SEED,
    GroupOfUser,
    SignIn,
    User,
    UserCounts,
    UserQuery,
    origin_of,
)
from agnes.accounts.rules import SESSION_PREFIX, TOKEN_PREFIX
from agnes.kernel.ids import GroupId, UserId
from agnes.kernel.state import Db, one_number, one_row


@dataclass(frozen=True, slots=True)
class HeldCredential:
    """A sign-in or token, and whose it is; `email` is None if the account is gone."""

    id: str
    user_id: UserId
    expires_at: datetime | None
    revoked: bool
    email: str | None
    name: str
    active: bool
    group_ids: frozenset[str]
    scope: str
    """Of a token, as it is stored; `full` for a session."""


@dataclass(frozen=True, slots=True)
class Login:
    """What signing in needs to know of an account."""

    id: UserId
    email: str
    password_hash: str | None
    active: bool
    is_admin: bool
    epoch: int


def find_credential(db: Db, token_hash: str, prefix: str) -> HeldCredential | None:
    """A token, or a sign-in of the release before, by the hash of its credential.

    Plain lookups: DuckDB plans one join of the three tables twice as long (2.7 ms against 1.4).
    """
    table, scope = {SESSION_PREFIX: ("sessions", "'full'"), TOKEN_PREFIX: ("tokens", "scope")}[prefix]
    held = db.execute(
        f"SELECT id, user_id, expires_at, revoked_at, {scope} FROM people.{table} WHERE token_hash = ?",  # noqa: S608 (constants)
        [token_hash],
    ).fetchone()
    if held is None:
        return None
    credential_id, user_id, expires_at, revoked_at, scope = held
    return _held(db, credential_id, user_id, expires_at, scope, revoked=revoked_at is not None)


def held_sign_in(db: Db, sign_in: SignIn) -> HeldCredential | None:
    """A sign-in, and what became of it and of its account; None if the account is gone."""
    revoked = ended_sign_ins(db, sign_in.user_id, only=sign_in.id).covers(sign_in)
    held = _held(db, sign_in.id, sign_in.user_id, sign_in.expires_at, "full", revoked=revoked)
    return held if held.email is not None else None


def _held(
    db: Db, credential_id: str, user_id: UserId, expires_at: datetime | None, scope: str, *, revoked: bool
) -> HeldCredential:
    user = db.execute("SELECT email, name, active FROM people.users WHERE id = ?", [user_id]).fetchone()
    groups = db.execute("SELECT group_id FROM people.memberships WHERE user_id = ?", [user_id]).fetchall()
    email, name, active = user or (None, "", False)
    group_ids = frozenset({EVERYONE, *(row[0] for row in groups)})
    return HeldCredential(credential_id, user_id, expires_at, revoked, email, name, active, group_ids, scope)


def find_login(db: Db, email: str) -> Login | None:
    row = db.execute(
        """SELECT u.id, u.email, u.password_hash, u.active,
            EXISTS (SELECT 1 FROM people.memberships m WHERE m.user_id = u.id AND m.group_id = ?),
            coalesce((SELECT e.epoch FROM people.sign_in_epochs e WHERE e.user_id = u.id), 0)
        FROM people.users u WHERE u.email = ?""",
        [ADMIN, email],
    ).fetchone()
    return Login(*row) if row else None


def users(db: Db, user_ids: Sequence[str] | None = None) -> list[User]:
    """All accounts by e-mail, or those with these ids, with their groups."""
    where, which = ("WHERE list_contains($ids, u.id)", {"ids": list(user_ids)}) if user_ids is not None else ("", {})
    names = {row[0]: row[1] for row in db.execute("SELECT id, name FROM people.groups WHERE is_system").fetchall()}
    groups: dict[str, list[GroupOfUser]] = {}
    synced = set()
    memberships = db.execute(
        f"""SELECT u.user_id, u.source, g.id, g.name, g.is_system, g.created_by
        FROM people.memberships u JOIN people.groups g ON g.id = u.group_id
        {where.replace("u.id", "u.user_id")} ORDER BY g.is_system DESC, lower(g.name)""",  # noqa: S608 (constant)
        which,
    ).fetchall()
    for member, source, id, name, is_system, created_by in memberships:  # noqa: A001
        origin = origin_of(is_system=is_system, created_by=created_by)
        groups.setdefault(member, []).append(GroupOfUser(id, name, is_system, origin))
        if created_by in SYNC_CREATORS or source in SYNC_SOURCES:
            synced.add(member)
    everyone = GroupOfUser(EVERYONE, names[EVERYONE], True, "system")
    rows = db.execute(
        f"""SELECT u.id, u.email, u.name, u.active, u.created_at, u.deactivated_at, u.managed_by
        FROM people.users u {where} ORDER BY u.email""",  # noqa: S608 (constant)
        which,
    ).fetchall()
    found = []
    for id, email, name, active, created_at, deactivated_at, managed_by in rows:  # noqa: A001
        mine = groups.get(id, [])
        is_admin = any(group.id == ADMIN for group in mine)
        shown = (*mine, everyone) if active else tuple(mine)
        role = "admin" if is_admin else "user"
        sso = managed_by is not None or id in synced
        found.append(User(id, email, name, role, is_admin, sso, shown, active, created_at, deactivated_at))
    return found


def last_sessions(db: Db, user_ids: Sequence[str]) -> dict[str, datetime]:
    """When each of these last signed in, of what the release before noted."""
    sql = "SELECT user_id, max(created_at) FROM people.sessions WHERE user_id IN (SELECT unnest($ids)) GROUP BY 1"
    return dict(db.execute(sql, {"ids": list(user_ids)}).fetchall())


def live_sessions(db: Db, user_id: str, now: datetime) -> list[SignIn]:
    """Sign-ins that the release before began and that still open the account."""
    rows = db.execute(
        """SELECT id, user_id, created_at, expires_at, 0, client_ip, '', '', token_hash FROM people.sessions
        WHERE user_id = ? AND revoked_at IS NULL AND expires_at > ?""",
        [user_id, now],
    ).fetchall()
    return [SignIn(*row) for row in rows]


def count_live_tokens(db: Db, user_id: str, now: datetime) -> int:
    return one_number(
        db,
        """SELECT count(*) FROM people.tokens
        WHERE user_id = ? AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)""",
        [user_id, now],
    )


def find_user(db: Db, user_id: str) -> User | None:
    return next(iter(users(db, [user_id])), None)


_ORDERS = {
    "email": "u.email",
    "name": "lower(u.name), u.email",
    "created": "u.created_at DESC, u.email",
}


def find_users(db: Db, query: UserQuery) -> tuple[list[User], int]:
    """Accounts of one page and how many there are on all pages."""
    given = {
        "active": {"active": True, "disabled": False}.get(query.status),
        "q": query.q.strip().casefold(),
        "group": query.group_id or None,
    }
    where = f"""WHERE ($active IS NULL OR u.active = $active)
        AND ($q = '' OR contains(lower(u.email || ' ' || u.name), $q))
        AND ($group IS NULL OR ($group = '{EVERYONE}' AND u.active) OR EXISTS (
            SELECT 1 FROM people.memberships m WHERE m.user_id = u.id AND m.group_id = $group))"""  # noqa: S608 (constant)
    if query.status == "no_password":
        where += " AND u.active AND u.password_hash IS NULL AND u.managed_by IS NULL"
    rows = db.execute(
        f"""SELECT u.id, count(*) OVER () FROM people.users u {where}
        ORDER BY {_ORDERS[query.sort]} LIMIT $limit OFFSET $offset""",  # noqa: S608 (constants)
        {**given, "limit": query.limit, "offset": query.offset},
    ).fetchall()
    if not rows and query.offset:
        return [], one_number(db, f"SELECT count(*) FROM people.users u {where}", given)  # noqa: S608
    place = {user_id: at for at, (user_id, _) in enumerate(rows)}
    found = sorted(users(db, list(place)), key=lambda user: place[user.id])
    return found, rows[0][1] if rows else 0


def count_users(db: Db) -> UserCounts:
    return UserCounts(
        *one_row(
            db,
            """SELECT count(*), count(*) FILTER (active), count(*) FILTER (active AND password_hash IS NULL AND managed_by IS NULL)
            FROM people.users""",
        )
    )


def have_password(db: Db, user_ids: Sequence[str]) -> set[str]:
    sql = "SELECT id FROM people.users WHERE password_hash IS NOT NULL AND list_contains($ids, id)"
    return {row[0] for row in db.execute(sql, {"ids": list(user_ids)}).fetchall()}


def find_id(db: Db, email: str) -> UserId | None:
    row = db.execute("SELECT id FROM people.users WHERE email = ?", [email]).fetchone()
    return row[0] if row else None


def add_user(db: Db, id: UserId, *, email: str, name: str, password_hash: str | None, now: datetime) -> None:
    db.execute(
        """INSERT INTO people.users (id, email, name, password_hash, active, created_at, updated_at)
        VALUES (?, ?, ?, ?, true, ?, ?)""",
        [id, email, name, password_hash, now, now],
    )


def set_name(db: Db, user_id: str, name: str, now: datetime) -> None:
    db.execute("UPDATE people.users SET name = ?, updated_at = ? WHERE id = ?", [name, now, user_id])


def set_password(db: Db, user_id: str, password_hash: str, now: datetime) -> None:
    db.execute("UPDATE people.users SET password_hash = ?, updated_at = ? WHERE id = ?", [password_hash, now, user_id])


def set_active(db: Db, user_id: str, *, active: bool, by: str, now: datetime) -> None:
    since, who = (None, None) if active else (now, by)
    db.execute(
        """UPDATE people.users SET active = ?, deactivated_at = ?, deactivated_by = ?, updated_at = ? WHERE id = ?""",
        [active, since, who, now, user_id],
    )


def remove_user(db: Db, user_id: str, *, by: str, now: datetime) -> None:
    """The account, its memberships and what ended its sign-ins; token rows stay, revoked."""
    db.execute("DELETE FROM people.memberships WHERE user_id = ?", [user_id])
    for table in ("sessions", "sign_in_epochs", "ended_sign_ins"):
        db.execute(f"DELETE FROM people.{table} WHERE user_id = ?", [user_id])  # noqa: S608 (constants)
    db.execute("DELETE FROM people.links WHERE user_id = ?", [user_id])
    db.execute("DELETE FROM people.identities WHERE user_id = ?", [user_id])
    factor_repository.remove_second_factor(db, user_id)
    revoke_tokens(db, user_id, by=by, now=now)
    db.execute("DELETE FROM people.users WHERE id = ?", [user_id])


def revoke_tokens(db: Db, user_id: str, *, by: str, now: datetime) -> int:
    """Revoke all tokens of an account that are not revoked; how many they were."""
    return one_number(
        db,
        "UPDATE people.tokens SET revoked_at = ?, revoked_by = ? WHERE user_id = ? AND revoked_at IS NULL",
        [now, by, user_id],
    )


def is_member(db: Db, user_id: str, group_id: str) -> bool:
    sql = "SELECT 1 FROM people.memberships WHERE user_id = ? AND group_id = ?"
    return db.execute(sql, [user_id, group_id]).fetchone() is not None


def add_membership(db: Db, user_id: str, group_id: GroupId, *, source: str, by: str | None, now: datetime) -> None:
    db.execute(
        "INSERT INTO people.memberships (user_id, group_id, source, added_at, added_by) VALUES (?, ?, ?, ?, ?)",
        [user_id, group_id, source, now, by],
    )


def admins_who_can_sign_in(db: Db) -> set[str]:
    """Ids of the active members of Admin who have a password, or sign in elsewhere."""
    rows = db.execute(
        """SELECT u.id FROM people.users u JOIN people.memberships m ON m.user_id = u.id
        WHERE m.group_id = ? AND u.active AND (u.password_hash IS NOT NULL OR u.managed_by IS NOT NULL)""",
        [ADMIN],
    ).fetchall()
    return {row[0] for row in rows}


@dataclass(frozen=True, slots=True)
class EndedSignIns:
    """What ended sign-ins of an account before they expired."""

    epoch: int
    kept: str | None
    ids: frozenset[str]

    def covers(self, sign_in: SignIn) -> bool:
        """Whether this one was ended."""
        return sign_in.id in self.ids or (sign_in.epoch < self.epoch and sign_in.id != self.kept)


def ended_sign_ins(db: Db, user_id: str, *, only: str | None = None) -> EndedSignIns:
    """Of an account; of single sign-ins that were ended, with `only` at most that one."""
    row = db.execute("SELECT epoch, kept FROM people.sign_in_epochs WHERE user_id = ?", [user_id]).fetchone()
    sql = "SELECT sign_in_id FROM people.ended_sign_ins WHERE user_id = $user AND ($only IS NULL OR sign_in_id = $only)"
    ended = db.execute(sql, {"user": user_id, "only": only}).fetchall()
    epoch, kept = row or (0, None)
    return EndedSignIns(epoch, kept, frozenset(sign_in_id for (sign_in_id,) in ended))


def epoch_of(db: Db, user_id: str) -> int:
    row = db.execute("SELECT epoch FROM people.sign_in_epochs WHERE user_id = ?", [user_id]).fetchone()
    return row[0] if row else 0


def end_sign_ins(db: Db, user_id: str, now: datetime, *, but: str = "") -> None:
    """End all sign-ins of an account but one, those of the release before included."""
    db.execute(
        """UPDATE people.sessions SET revoked_at = ?
        WHERE user_id = ? AND revoked_at IS NULL AND expires_at > ? AND id <> ?""",
        [now, user_id, now, but],
    )
    db.execute(
        """INSERT INTO people.sign_in_epochs (user_id, epoch, kept) VALUES (?, 1, ?)
        ON CONFLICT (user_id) DO UPDATE SET epoch = epoch + 1, kept = excluded.kept""",
        [user_id, but or None],
    )


def end_sign_in(db: Db, sign_in_id: str, *, user_id: str, now: datetime, expires_at: datetime) -> bool:
    """End one sign-in; whether it is ended now and was not before."""
    row = db.execute(
        """UPDATE people.sessions SET revoked_at = ? WHERE id = ? AND user_id = ? AND revoked_at IS NULL
        RETURNING id""",
        [now, sign_in_id, user_id],
    ).fetchone()
    if row is not None:
        return True
    if expires_at <= now:
        return False
    made = db.execute(
        """INSERT INTO people.ended_sign_ins (sign_in_id, user_id, ended_at, expires_at) VALUES (?, ?, ?, ?)
        ON CONFLICT DO NOTHING""",
        [sign_in_id, user_id, now, expires_at],
    ).fetchone()
    return bool(made and made[0])


def forget_ended(db: Db, now: datetime) -> None:
    """Drop rows about sign-ins that have expired, and a day later those of the release before."""
    db.execute("DELETE FROM people.ended_sign_ins WHERE expires_at < ?", [now])
    db.execute("DELETE FROM people.sessions WHERE expires_at < ?", [now - timedelta(days=1)])


@dataclass(frozen=True, slots=True)
class HeldLink:
    id: str
    user_id: UserId
    purpose: str
    expires_at: datetime
    used_at: datetime | None


def find_link(db: Db, secret_hash: str) -> HeldLink | None:
    row = db.execute(
        "SELECT id, user_id, purpose, expires_at, used_at FROM people.links WHERE secret_hash = ?", [secret_hash]
    ).fetchone()
    return HeldLink(*row) if row else None


def add_link(
    db: Db,
    id: str,
    *,
    user_id: str,
    purpose: str,
    secret_hash: str,
    by: str | None,
    now: datetime,
    expires_at: datetime,
) -> None:
    db.execute(
        """INSERT INTO people.links (id, user_id, purpose, secret_hash, created_at, created_by, expires_at)
        VALUES (?, ?, ?, ?, ?, ?, ?)""",
        [id, user_id, purpose, secret_hash, now, by, expires_at],
    )


def count_links(db: Db, user_id: str, *, since: datetime) -> int:
    """Links that a person got by asking themselves."""
    sql = "SELECT count(*) FROM people.links WHERE user_id = ? AND created_by IS NULL AND created_at > ?"
    return one_number(db, sql, [user_id, since])


def use_links(db: Db, user_id: str, purposes: Sequence[str], now: datetime) -> None:
    """Mark every link of these purposes as used: one that was opened ends the others."""
    sql = "UPDATE people.links SET used_at = ? WHERE user_id = ? AND used_at IS NULL AND list_contains(?, purpose)"
    db.execute(sql, [now, user_id, list(purposes)])


def forget_links(db: Db, created_before: datetime) -> None:
    db.execute("DELETE FROM people.links WHERE created_at < ?", [created_before])


def find_setup(db: Db) -> tuple[str, datetime] | None:
    """The hash of the setup secret and when it expires."""
    return db.execute("SELECT secret_hash, expires_at FROM people.setup").fetchone()


def replace_setup(db: Db, secret_hash: str | None, *, now: datetime, expires_at: datetime | None = None) -> None:
    """Keep this secret and no other; None keeps none."""
    db.execute("DELETE FROM people.setup")
    if secret_hash is not None:
        db.execute(
            "INSERT INTO people.setup (secret_hash, created_at, expires_at) VALUES (?, ?, ?)",
            [secret_hash, now, expires_at],
        )


def find_identity(db: Db, issuer: str, subject: str) -> UserId | None:
    """Whose account somebody of an identity provider has here."""
    sql = "SELECT user_id FROM people.identities WHERE issuer = ? AND subject = ?"
    row = db.execute(sql, [issuer, subject]).fetchone()
    return row[0] if row else None


def has_identity(db: Db, user_id: str, issuer: str) -> bool:
    sql = "SELECT 1 FROM people.identities WHERE user_id = ? AND issuer = ?"
    return db.execute(sql, [user_id, issuer]).fetchone() is not None


def add_identity(db: Db, issuer: str, subject: str, *, user_id: str, now: datetime) -> None:
    sql = "INSERT INTO people.identities (issuer, subject, user_id, linked_at) VALUES (?, ?, ?, ?)"
    db.execute(sql, [issuer, subject, user_id, now])


def find_manager(db: Db, user_id: str) -> str | None:
    """google, oidc or scim; None of a local account."""
    row = db.execute("SELECT managed_by FROM people.users WHERE id = ?", [user_id]).fetchone()
    return row[0] if row else None


def set_managed(db: Db, user_id: str, managed_by: str, now: datetime) -> None:
    db.execute("UPDATE people.users SET managed_by = ?, updated_at = ? WHERE id = ?", [managed_by, now, user_id])


def set_email(db: Db, user_id: str, email: str, now: datetime) -> None:
    db.execute("UPDATE people.users SET email = ?, updated_at = ? WHERE id = ?", [email, now, user_id])


def forget_password(db: Db, user_id: str, now: datetime) -> None:
    """With the links that could set a new one, and the second factor that went with it."""
    db.execute("UPDATE people.users SET password_hash = NULL, updated_at = ? WHERE id = ?", [now, user_id])
    factor_repository.remove_second_factor(db, user_id)
    db.execute("DELETE FROM people.links WHERE user_id = ?", [user_id])


def is_seeded(db: Db, user_id: str) -> bool:
    """Whether it is the account that the operator's settings made an admin."""
    sql = "SELECT 1 FROM people.memberships WHERE user_id = ? AND group_id = ? AND source = ?"
    return db.execute(sql, [user_id, ADMIN, SYSTEM_SEED]).fetchone() is not None


def taken_addresses(db: Db, emails: Sequence[str]) -> set[str]:
    rows = db.execute("SELECT email FROM people.users WHERE list_contains(?, email)", [list(emails)]).fetchall()
    return {row[0] for row in rows}


def add_managed_users(
    db: Db, rows: Sequence[tuple[str, str, str, bool]], *, managed_by: str, by: str, now: datetime
) -> None:
    """(id, address, name, whether active) of each, in one statement: DuckDB inserts row by row at less than a hundred rows a
    second."""
    given = [{"id": id, "email": email, "name": name, "active": active} for id, email, name, active in rows]  # noqa: A001
    db.execute(
        """INSERT INTO people.users
            (id, email, name, active, created_at, updated_at, deactivated_at, deactivated_by, managed_by)
        SELECT r.id, r.email, r.name, r.active, $now, $now,
            CASE WHEN r.active THEN NULL ELSE $now END, CASE WHEN r.active THEN NULL ELSE $by END, $managed_by
        FROM (SELECT unnest($rows) AS r)""",
        {"rows": given, "now": now, "by": by, "managed_by": managed_by},
    )
