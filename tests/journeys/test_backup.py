"""A filled installation in a folder goes to S3 and back, by the commands that an operator types: equal by digest and by figures."""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.builders.demo_marketplace import DemoMarketplace, analyst_with, synced_demo
from tests.builders.embedded import EmbeddedServer, embedded_server
from tests.builders.laptop import Laptop
from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.sample_marketplace import PLUGINS
from tests.builders.scenario_figures import expected, shown
from tests.builders.target import Target, Visitor
from tests.contract.stores import SERVERS, S3Server, started_server
from tests.journeys.conftest import ADMIN, OPERATOR_TOKEN, SETTINGS

COMMON = {**SETTINGS, "AGNES_BACKUP_PASSPHRASE": "of the journeys, and long enough"}


def operator(server: EmbeddedServer, *words: str, status: int = 0) -> str:
    """What `agnes-local …` says, in the environment of that installation."""
    command = [sys.executable, "-m", "agnes_local", *words]
    done = subprocess.run(
        command, check=False, env=server._environ, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def bucket_of(server: S3Server) -> dict[str, str]:
    """The settings of an installation in a new bucket."""
    bucket = f"agnes-backup-{secrets.token_hex(4)}"
    server.client().create_bucket(Bucket=bucket)
    return {
        "AGNES_STORE": "s3",
        "AGNES_BUCKET": bucket,
        "AGNES_S3_ENDPOINT": server.endpoint,
        "AWS_ACCESS_KEY_ID": server.user,
        "AWS_SECRET_ACCESS_KEY": server.password.value,
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": os.environ.get("NO_PROXY", "127.0.0.1"),
    }


def seen(server: EmbeddedServer, demo: DemoMarketplace, mira: Visitor) -> dict[str, object]:
    """What a person meets there: figures, the feed's bytes, and who is signed in."""
    with Target(server.base_url, ADMIN, OPERATOR_TOKEN, server.run_job) as target:
        old = target.visitor(mira.token)
        old.get("/api/marketplace/items", expect=401)
        again = target.sign_in(mira.email)
        here = DemoMarketplace(target, target.admin(), demo.repository, demo.slug)
        feed = again.get("/marketplace.zip", follow_redirects=True, expect=200).content
        stored = target.admin().get("/api/admin/usage/summary?window=30d").json()
        return {
            "figures": shown(here, again),
            "feed": hashlib.sha256(feed).hexdigest(),
            "totals": stored["totals"],
            "people": sorted(user["email"] for user in target.admin().get("/api/users").json()),
        }


def signing_in_again(folder: Path, settings: Mapping[str, str]) -> EmbeddedServer:
    folder.mkdir()
    return EmbeddedServer(folder, {**COMMON, **settings})


@pytest.mark.parametrize("s3", [param for param in SERVERS if param.values != ("moto",)])
def test_from_a_folder_to_s3_and_back(s3: str, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with (
        embedded_server(tmp_path / "one", COMMON) as one,
        Target(one.base_url, ADMIN, OPERATOR_TOKEN, one.run_job) as target,
    ):
        demo = synced_demo(target, tmp_path)
        mira = analyst_with(demo, *PLUGINS)
        laptop = Laptop.new(target, tmp_path / "laptop")
        laptop.login(mira.make_token()["token"])
        laptop.push(laptop.keep_transcripts())
        target.process_usage()
        assert shown(demo, mira) == expected()
        place = str(tmp_path / "place")
        said = operator(one, "backup", place)  # it serves meanwhile
        assert "objects" in said
        assert "secrets" not in said
        mira.call("POST", "/auth/logout", expect=(200, 204, 302, 303))
        before = seen(one, demo, mira)
    server = started_server(s3)
    in_bucket = bucket_of(server)
    two = signing_in_again(tmp_path / "two", in_bucket)
    operator(two, "restore", place)
    assert "is not empty" in operator(two, "restore", place, status=1)
    operator(two, "backups", "compare", place)
    operator(two, "state", "check")
    two.start()
    try:
        assert seen(two, demo, mira) == before
    finally:
        two.stop()

    away = f"s3://{in_bucket['AGNES_BUCKET']}-away/of/two"
    server.client().create_bucket(Bucket=f"{in_bucket['AGNES_BUCKET']}-away")
    at = ["--endpoint", server.endpoint]
    operator(two, "backup", away, *at)
    assert "everything is whole" in operator(two, "backups", "check", away, *at)
    credentials = {name: value for name, value in in_bucket.items() if name.startswith("AWS_")}
    three = signing_in_again(tmp_path / "three", credentials)
    operator(three, "restore", away, *at)
    operator(three, "backups", "compare", away, *at)
    three.start()
    try:
        assert seen(three, demo, mira) == before
    finally:
        three.stop()
