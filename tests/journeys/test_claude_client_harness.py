"""What we rely on the real Claude Code client to do, in each tested version.

`docs/claude-code-client.md` says the same in prose: when this suite fails with a new version, change both.
"""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agnes.claude_code import versions
from agnes_local.claude_install import claude_binary
from agnes_local.demo_repository import demo_files, write_files
from tests.builders.claude_client import ClaudeClient, ClientFailed, records
from tests.builders.claude_scenario import (
    CLOSE,
    FORECAST,
    THANKS,
    play,
    prepare,
    session_scripts,
    type_in_terminal,
    typed_replies,
)
from tests.builders.git_http_server import GitHttpServer
from tests.builders.patience import longer_and_longer
from tests.builders.sample_marketplace import MARKETPLACE, SampleMarketplace
from tests.builders.scripted_messages_api import Reply, Script, ScriptedMessagesApi, text, use

pytestmark = pytest.mark.client

FINOPS = f"finops@{MARKETPLACE}"
PASSWORD = "agp_7/x+y"

NewClient = Callable[..., ClaudeClient]


@pytest.fixture
def new_client(tmp_path: Path, claude_version: str) -> NewClient:
    """Clients with homes of their own and one workspace."""
    made = []

    def new(api_url: str = "http://127.0.0.1:9", **environment: str) -> ClaudeClient:
        home, workspace = tmp_path / f"home{len(made)}", tmp_path / "ws"
        home.mkdir()
        workspace.mkdir(exist_ok=True)
        made.append(ClaudeClient(home, workspace, api_url, environment, version=claude_version))
        return made[-1]

    return new


@pytest.fixture
def repository(tmp_path: Path) -> SampleMarketplace:
    return SampleMarketplace(tmp_path / "repositories" / "marketplace.git")


@pytest.fixture
def git(repository: SampleMarketplace) -> Iterator[GitHttpServer]:
    with GitHttpServer(repository.folder.parent, password=PASSWORD) as server:
        yield server


def files_naming(secret: str, folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and secret.encode() in path.read_bytes()
    }


class TestInstall:
    def test_runs_the_version_that_was_asked_for(self, claude_version: str):
        done = subprocess.run([claude_binary(claude_version), "--version"], capture_output=True, text=True, check=True)
        assert done.stdout.startswith(f"{claude_version} ")

    def test_starts_nothing_when_done(self, monkeypatch: pytest.MonkeyPatch):
        claude_binary()
        monkeypatch.setenv("PATH", "/nowhere")
        assert claude_binary().is_file(), "without npm"

    def test_names_what_is_missing(self, tmp_path: Path):
        without_npm = {"PATH": str(tmp_path), "AGNES_CACHE_DIR": str(tmp_path / "cache")}
        done = subprocess.run(
            [sys.executable, "-m", "agnes_local.claude_install"],
            env=without_npm,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "npm is not on the PATH" in done.stderr


class TestAddingAMarketplace:
    def test_over_git_with_the_login_in_the_url(self, new_client: NewClient, git: GitHttpServer):
        client = new_client()
        client.plugin_marketplace_add(git.url("marketplace.git", user="mira"))
        (added,) = client.plugin_marketplace_list()
        assert (added["name"], added["source"]) == (MARKETPLACE, "git")
        assert [(asked.status, asked.login) for asked in git.asked[:2]] == [(401, None), (200, f"mira:{PASSWORD}")]
        client.plugin_install(FINOPS)
        (plugin,) = client.plugin_list()
        assert {name: plugin[name] for name in ("id", "version", "scope", "enabled")} == {
            "id": FINOPS,
            "version": "1.4.0",
            "scope": "user",
            "enabled": True,
        }
        hook = Path(plugin["installPath"]) / "hooks" / "open-period.sh"
        assert stat.S_IMODE(hook.stat().st_mode) == 0o755, "the executable bit came through git"

    def test_keeps_a_login_in_the_url_in_three_files(self, new_client: NewClient, git: GitHttpServer):
        client = new_client()
        client.plugin_marketplace_add(git.url("marketplace.git", user="mira"))
        assert files_naming("agp_7", client.home) == {
            ".claude/settings.json",
            ".claude/plugins/known_marketplaces.json",
            f".claude/plugins/marketplaces/{MARKETPLACE}/.git/config",
        }

    @pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
    def test_with_a_header_from_gits_environment(self, new_client: NewClient, git: GitHttpServer, scheme: str):
        token = base64.b64encode(f"x:{PASSWORD}".encode()).decode() if scheme == "Basic" else PASSWORD
        client = new_client(
            GIT_CONFIG_COUNT="1",
            GIT_CONFIG_KEY_0=f"http.{git.url('')}.extraHeader",
            GIT_CONFIG_VALUE_0=f"Authorization: {scheme} {token}",
        )
        added = client.plugin_marketplace_add(git.url("marketplace.git"), check=False)
        assert git.asked[0].headers["authorization"] == f"{scheme} {token}", "sent at once, without a challenge"
        if scheme == "Basic":  # the test's server knows no other
            assert added.returncode == 0
            assert files_naming("agp_7", client.home) == set()

    def test_with_gits_credential_helper(self, new_client: NewClient, git: GitHttpServer):
        client = new_client(
            GIT_CONFIG_COUNT="1",
            GIT_CONFIG_KEY_0="credential.helper",
            GIT_CONFIG_VALUE_0="!f() { echo username=x; echo password=$TOKEN; }; f",
            TOKEN=PASSWORD,
        )
        client.plugin_marketplace_add(git.url("marketplace.git"))
        assert files_naming("agp_7", client.home) == set()

    def test_without_a_login_it_neither_asks_nor_hangs(self, new_client: NewClient, git: GitHttpServer):
        refused = new_client().plugin_marketplace_add(git.url("marketplace.git"), check=False)
        assert refused.returncode == 1
        assert "HTTPS authentication failed" in refused.output

    def test_a_url_with_a_slash_after_git_is_not_taken_for_git(self, new_client: NewClient, git: GitHttpServer):
        refused = new_client().plugin_marketplace_add(git.url("marketplace.git/", user="mira"), check=False)
        assert refused.returncode == 1
        assert git.asked[-1].headers["user-agent"] == "Claude-Code-Plugin-Manager"

    def test_a_catalog_by_url_comes_without_its_plugins(self, new_client: NewClient, git: GitHttpServer):
        catalog = demo_files()[".claude-plugin/marketplace.json"].body
        git.password = None
        git.documents["/marketplace.json"] = ("application/json", catalog)
        client = new_client()
        client.plugin_marketplace_add(git.url("marketplace.json"))
        refused = client.plugin_install(FINOPS, check=False)
        assert refused.returncode == 1
        assert ("Source path does not exist" in refused.output) or ("which has no local directory" in refused.output)

    def test_a_zip_by_url_is_refused(self, new_client: NewClient, git: GitHttpServer):
        git.password = None
        git.documents["/marketplace.zip"] = ("application/zip", b"PK\x05\x06" + bytes(18))
        refused = new_client().plugin_marketplace_add(git.url("marketplace.zip"), check=False)
        assert refused.returncode == 1
        assert "Invalid marketplace schema" in refused.output

    def test_an_empty_one_is_fine(self, new_client: NewClient, git: GitHttpServer, repository: SampleMarketplace):
        repository.write_manifest(repository.manifest() | {"plugins": []})
        new_client().plugin_marketplace_add(git.url("marketplace.git", user="x"))

    def test_a_folder_is_validated_added_and_used_in_place(self, new_client: NewClient, tmp_path: Path):
        folder = tmp_path / "unpacked"
        write_files(folder, demo_files())
        client = new_client()
        client.plugin_validate(folder)
        client.plugin_marketplace_add(folder)
        (added,) = client.plugin_marketplace_list()
        assert (added["source"], added["installLocation"]) == ("directory", str(folder))


class TestUpdating:
    @pytest.fixture
    def client(self, new_client: NewClient, git: GitHttpServer) -> ClaudeClient:
        client = new_client()
        client.plugin_marketplace_add(git.url("marketplace.git", user="mira"))
        client.plugin_install(FINOPS)
        return client

    def test_a_new_version_arrives_by_marketplace_update_then_plugin_update(
        self, client: ClaudeClient, repository: SampleMarketplace
    ):
        repository.release_finops("1.5.0")
        assert "already at the latest version (1.4.0)" in client.plugin_update(FINOPS).output
        client.plugin_marketplace_update(MARKETPLACE)
        assert client.plugin_version(FINOPS) == "1.4.0"
        assert "updated from 1.4.0 to 1.5.0" in client.plugin_update(FINOPS).output
        assert client.plugin_version(FINOPS) == "1.5.0"

    def test_new_text_under_an_old_version_never_arrives(self, client: ClaudeClient, repository: SampleMarketplace):
        repository.change("Edit", {"plugins/finops/skills/forecast/SKILL.md": "---\nname: forecast\n---\nNEW\n"})
        client.plugin_marketplace_update(MARKETPLACE)
        assert "already at the latest" in client.plugin_update(FINOPS).output
        (plugin,) = client.plugin_list()
        assert "NEW" not in (Path(plugin["installPath"]) / "skills/forecast/SKILL.md").read_text()

    def test_a_history_without_a_common_root_is_cloned_again(
        self, client: ClaudeClient, repository: SampleMarketplace, git: GitHttpServer
    ):
        repository.commits.clear()
        repository.release_finops("1.5.0")
        git.asked.clear()
        assert "Clone complete" in client.plugin_marketplace_update(MARKETPLACE).output
        # 2.1.332 never fetches: it looks at the refs and clones again when they moved.
        answered = [asked for asked in git.asked if asked.status == 200]
        assert len(answered) == (7 if client.version == versions.OLDEST else 5)
        client.plugin_update(FINOPS)
        assert client.plugin_version(FINOPS) == "1.5.0"

    def test_a_plugin_that_left_the_catalog_stays_installed_and_fails_to_load(
        self, client: ClaudeClient, repository: SampleMarketplace
    ):
        manifest = repository.manifest()
        manifest["plugins"] = [plugin for plugin in manifest["plugins"] if plugin["name"] != "finops"]
        repository.write_manifest(manifest)
        client.plugin_marketplace_update(MARKETPLACE)
        (plugin,) = client.plugin_list()
        assert plugin["errors"] == [f"Plugin finops not found in marketplace {MARKETPLACE}"]
        client.plugin_uninstall(FINOPS)
        assert client.plugin_list() == []

    def test_a_revoked_login_fails_the_update_and_leaves_the_plugin(self, client: ClaudeClient, git: GitHttpServer):
        git.password = "another"
        assert client.plugin_marketplace_update(MARKETPLACE, check=False).returncode == 1
        (plugin,) = client.plugin_list()
        assert "errors" not in plugin


@dataclass(frozen=True)
class Played:
    client: ClaudeClient
    api: ScriptedMessagesApi
    main: list[dict]
    agents: dict[str, list[dict]]
    """Transcripts of the subagents by the agent's type."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, claude_version: str) -> Played:
    """The scenario of `claude_scenario`, played once."""
    scratch = tmp_path_factory.mktemp("played")
    SampleMarketplace(scratch / "repositories" / "marketplace.git")
    home, workspace = scratch / "home", scratch / "ws"
    home.mkdir()
    workspace.mkdir()
    with (
        GitHttpServer(scratch / "repositories") as git,
        ScriptedMessagesApi(session_scripts(workspace)) as api,
    ):
        client = ClaudeClient(home, workspace, api.url, version=claude_version)
        prepare(client, git.url("marketplace.git"))
        session = play(client)
        api.assert_finished()
    agents = {
        json.loads(path.with_suffix(".meta.json").read_text())["agentType"]: records(path)
        for path in client.subagent_transcripts(session)
    }
    return Played(client, api, records(client.transcript(session)), agents)


def calls(transcript: list[dict]) -> list[tuple[dict, dict]]:
    """(record, tool_use block) in order."""
    return [
        (record, block)
        for record in transcript
        if record["type"] == "assistant"
        for block in record["message"]["content"]
        if block["type"] == "tool_use"
    ]


def result_of(transcript: list[dict], call: dict) -> dict:
    (found,) = [
        block
        for record in transcript
        if record["type"] == "user" and isinstance(record["message"]["content"], list)
        for block in record["message"]["content"]
        if block.get("tool_use_id") == call["id"]
    ]
    return found


def attribution(record: dict) -> dict[str, str]:
    return {name.removeprefix("attribution"): value for name, value in record.items() if name.startswith("attribution")}


class TestTranscripts:
    def test_every_record_of_a_conversation_carries_the_envelope(self, played: Played):
        for record in played.main:
            if record["type"] in {"user", "assistant", "attachment"}:
                assert {
                    "uuid",
                    "parentUuid",
                    "sessionId",
                    "timestamp",
                    "cwd",
                    "version",
                    "isSidechain",
                } <= record.keys()
                assert record["version"] == played.client.version
        assert {record["type"] for record in played.main} >= {"user", "assistant", "attachment", "last-prompt"}

    def test_a_skill_call_is_answered_by_its_launch_and_its_text(self, played: Played):
        _, call = calls(played.main)[0]
        assert (call["name"], call["input"]["skill"]) == ("Skill", "finops:forecast")
        assert result_of(played.main, call)["content"] == "Launching skill: finops:forecast"
        (body,) = [record for record in played.main if record.get("sourceToolUseID") == call["id"]]
        assert body["isMeta"] is True
        assert "# Forecast" in body["message"]["content"][0]["text"]

    def test_a_skill_is_in_force_until_the_next_skill_or_prompt(self, played: Played):
        seen = {call["id"]: attribution(record) for record, call in calls(played.main)}
        forecast = {"Skill": "finops:forecast", "Plugin": "finops"}
        render = {"McpServer": "plugin:chartkit:render", "McpTool": "bars"}
        close = {"Skill": "finops:close-month", "Plugin": "finops"}
        assert list(seen.values()) == [{}, *[forecast] * 5, forecast | render, close, close, {}]
        assert [call["name"] for _, call in calls(played.main)] == [
            "Skill",
            "Bash",
            "Bash",
            "Read",
            "Agent",
            "mcp__plugin_chartkit_render__bars",
            "Write",
            "Agent",
            "Skill",
            "Bash",
        ]

    def test_failed_and_denied_tools_are_errors_and_only_those(self, played: Played):
        wrong = [call["name"] for _, call in calls(played.main) if result_of(played.main, call).get("is_error")]
        assert wrong == ["Bash", "Write"]
        _, failed = calls(played.main)[1]
        assert "No such file or directory" in result_of(played.main, failed)["content"]

    def test_lines_of_one_response_repeat_its_usage(self, played: Played):
        lines: dict[str, list[dict]] = {}
        for record in played.main:
            if record["type"] == "assistant":
                lines.setdefault(record["message"]["id"], []).append(record["message"]["usage"])
        assert len(lines) == len(next(script for script in played.api.scripts if script.name == "main").replies)
        assert max(map(len, lines.values())) == 3
        for usages in lines.values():
            assert all(usage == usages[0] for usage in usages)
        scripted = sum(
            reply.usage.output for script in played.api.scripts for reply in script.replies if script.name == "main"
        )
        assert sum(usages[0]["output_tokens"] for usages in lines.values()) == scripted

    @pytest.mark.parametrize(
        ("agent", "skill"), [("finops:auditor", "finops:forecast"), ("sql-style:sql-reviewer", "finops:close-month")]
    )
    def test_a_subagent_has_its_own_transcript_in_the_same_session(self, played: Played, agent: str, skill: str):
        transcript = played.agents[agent]
        assert {record["sessionId"] for record in transcript} == {played.main[0]["sessionId"]}
        assert {record["isSidechain"] for record in transcript if "uuid" in record} == {True}
        assert len({record["agentId"] for record in transcript}) == 1
        # The plugin named is the one of the skill in force, even where the agent comes from another.
        assert {tuple(attribution(record).items()) for record in transcript if record["type"] == "assistant"} == {
            (("Agent", agent), ("Skill", skill), ("Plugin", "finops"))
        }
        assert calls(transcript)

    def test_a_typed_command_is_a_prompt_made_of_tags(self, played: Played):
        command = (
            "<command-message>finops:close-month</command-message>\n"
            "<command-name>/finops:close-month</command-name>\n"
            f"<command-args>{CLOSE.split()[1]}</command-args>"
        )
        prompts = [
            (record["message"]["content"], record.get("promptSource"))
            for record in played.main
            if record["type"] == "user" and isinstance(record["message"]["content"], str)
        ]
        assert prompts == [(FORECAST, "sdk"), (command, None), (THANKS, "sdk")]

    def test_a_plugins_session_hook_ran(self, played: Played):
        hooks = [
            record["attachment"] for record in played.main if record.get("attachment", {}).get("type") == "hook_success"
        ]
        assert "open" in next(hook["stdout"] for hook in hooks if "open-period.sh" in hook["command"])

    def test_nothing_but_the_conversations_was_asked_of_the_model(self, played: Played):
        assert played.api.turns() == played.api.requests


class TestSessions:
    def test_one_that_leaves_the_script_fails(self, new_client: NewClient, claude_version: str):
        with ScriptedMessagesApi([Script("main", [Reply([use("Bash", command="true")])])]) as api:
            with pytest.raises(ClientFailed, match="script 'main' ended"):
                new_client(api.url).session("hello")
            # 2.1.332 asks again with all tools declared in full, thrice each time.
            assert len(api.surprises) == (1 if claude_version == versions.OLDEST else 6)

    def test_one_that_takes_too_long_is_ended_with_its_tools(self, new_client: NewClient):
        endless = Reply([use("Bash", command="echo $$ > pid; sleep 600")])
        for seconds in longer_and_longer(10):
            with ScriptedMessagesApi([Script("main", [endless])]) as api:
                client = new_client(api.url)
                slow = replace(client, deadline_seconds=seconds)
                with pytest.raises(ClientFailed, match=f"took over {seconds} s"):
                    slow.session("hello")
            if (client.workspace / "pid").exists():
                break
        tool = int((client.workspace / "pid").read_text())
        with pytest.raises(ProcessLookupError):
            os.kill(tool, 0)

    @pytest.mark.parametrize(("seconds", "timeout", "finishes"), [(0, None, True), (3, None, False), (3, 20, True)])
    def test_a_session_end_hook_has_a_second_and_a_half_unless_it_asks_for_more(
        self, new_client: NewClient, seconds: int, timeout: int | None, finishes: bool
    ):
        for _ in range(5 if finishes else 1):  # on a busy machine even Python's start may take a second and a half
            kept, session, client = self._ended_with_a_hook(new_client, seconds, timeout)
            if kept.exists():
                break
        assert kept.exists() == finishes
        if finishes:
            assert records(kept) == records(client.transcript(session)), "the transcript is whole when the hook runs"

    def _ended_with_a_hook(
        self, new_client: NewClient, seconds: int, timeout: int | None
    ) -> tuple[Path, str, ClaudeClient]:
        with ScriptedMessagesApi([Script("main", [Reply([text("Done.")])])]) as api:
            client = new_client(api.url)
            script = client.workspace / "keep.py"
            script.write_text(
                "import json, shutil, sys, time\n"
                "told = json.load(sys.stdin)\n"
                f"time.sleep({seconds})\n"
                "shutil.copy(told['transcript_path'], 'kept.jsonl')\n"
            )
            more = {} if timeout is None else {"timeout": timeout}
            hook = {"type": "command", "command": f"{sys.executable} {script}", **more}
            client.write_settings(hooks={"SessionEnd": [{"hooks": [hook]}]})
            session = client.session("hello").session_id
        return client.workspace / "kept.jsonl", session, client

    def test_in_a_terminal_each_session_asks_for_a_title_and_clear_begins_another(
        self, new_client: NewClient, git: GitHttpServer
    ):
        with ScriptedMessagesApi([Script("typed", typed_replies())]) as api:
            client = new_client(api.url, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="")
            prepare(client, git.url("marketplace.git", user="x"))
            first, second = type_in_terminal(client)
            api.assert_finished()
        assert [request.is_side for request in api.requests].count(True) == 2
        before, after = (records(client.transcript(session)) for session in (first, second))
        assert [record["promptSource"] for record in before + after if "promptSource" in record] == ["typed", "typed"]
        prompts = [record for record in after if record["type"] == "user" and not record.get("isMeta")]
        assert prompts[0]["message"]["content"].startswith("<command-name>/clear</command-name>")
        assert {"system", "ai-title", "file-history-snapshot"} <= {record["type"] for record in after}

    def test_the_client_sees_nothing_of_our_environment(self, new_client: NewClient, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("AGNES_SECRET_OF_THE_TEST", "1")
        environment = new_client().env()
        assert "AGNES_SECRET_OF_THE_TEST" not in environment
        assert environment["HOME"] != os.environ["HOME"]
