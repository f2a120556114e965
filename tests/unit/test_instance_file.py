"""instance.yaml: its names and aliases, references, precedence, and every fault in one message."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from agnes.edge import branding
from agnes.kernel import instance_file
from agnes.kernel.colours import contrast
from agnes.settings import Settings, SettingsError, load

ROOT = Path(__file__).parents[2]
SOUND = """
config_version: 1
instance: {name: Acme Analytics, url: "https://agnes.acme.test/", brand: Atlas, home_route: /me/connect}
auth: {google: {domain: acme.test}}
"""


def loaded(folder: Path, text: str, **environ: str) -> Settings:
    (folder / "instance.yaml").write_text(text)
    return load({"CONFIG_DIR": str(folder), **environ})


def refused(folder: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as wrong:
        loaded(folder, text, **environ)
    return wrong.value.message.splitlines()[1:]


def test_the_products_names(tmp_path):
    found = loaded(
        tmp_path, SOUND + "email: {smtp_host: mail.acme.test, smtp_port: 25, from_address: a@acme.test, use_tls: false}"
    )
    assert (found.server_url, found.allowed_domains, found.agnes_instance_brand, found.agnes_home_route) == (
        "https://agnes.acme.test",
        {"acme.test"},
        "Atlas",
        "/me/connect",
    )
    assert (found.mail, found.smtp_port, found.smtp_use_tls) == ("smtp", 25, "false")


def test_flat_names_of_older_files(tmp_path, caplog):
    text = """
    instance: {name: Acme, copyright: Acme Ltd}
    auth: {allowed_domain: "acme.test, acme.example", webapp_secret_key: "${SECRET}"}
    server: {host: 0.0.0.0, hostname: agnes.acme.test}
    username_mapping: {a: b}
    data_source: {type: keboola, keboola: {stack_url: "https://x"}}
    """
    with caplog.at_level(logging.WARNING, "agnes.settings"):
        found = loaded(tmp_path, text)
    assert (found.server_url, found.agnes_host) == ("https://agnes.acme.test", "0.0.0.0")
    assert found.allowed_domains == {"acme.test", "acme.example"}
    assert {"config_version", "instance.copyright", "auth.webapp_secret_key", "username_mapping", "data_source"} == {
        line.split(": ", 1)[1].split()[0] for line in caplog.messages
    }


def test_two_kinds_of_domains_are_one_list(tmp_path):
    text = SOUND.replace(
        "google: {domain: acme.test}", "google: {domain: acme.test}, email: {allowed_domains: [b.test, acme.test]}"
    )
    assert loaded(tmp_path, text).allowed_domains == {"acme.test", "b.test"}


def test_the_environment_wins_over_the_file_and_the_file_over_defaults(tmp_path):
    found = loaded(tmp_path, SOUND, SERVER_URL="https://other.test", ALLOWED_DOMAINS="", AGNES_INSTANCE_BRAND="Other")
    assert (found.server_url, found.agnes_instance_brand, found.agnes_instance_name) == (
        "https://other.test",
        "Other",
        "Acme Analytics",
    )
    assert found.allowed_domains == {"acme.test"}  # a variable that is empty says nothing
    assert found.port == load({}).port


def test_references_to_the_environment(tmp_path, caplog):
    text = SOUND + 'ai: {api_key: "${KEY}", base_url: "https://${HOST}/v1", model: "x${NOTHING}y"}'
    with caplog.at_level(logging.WARNING, "agnes.settings"):
        found = loaded(tmp_path, text, KEY="s3cret", HOST="llm.test")
    assert found.anthropic_api_key.get_secret_value() == "s3cret"
    assert (found.anthropic_base_url, found.usage_ask_model) == ("https://llm.test/v1", "xy")
    assert [line for line in caplog.messages if "NOTHING" in line and "ai.model" in line]
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ["is empty"]),
        ("# only a remark\n", ["is empty"]),
        ("- a\n- b\n", ["must be a mapping"]),
        ("a: [", ["is not YAML at line 1"]),
        ("a: !!python/object/apply:os.system [id]", ["is not YAML"]),
        ("\x00", ["is not YAML"]),
        ("config_version: 1", ["instance.name: is required", "instance.url: is required", "auth.google.domain or"]),
        (SOUND.replace("acme.test}}", '""}}'), ["auth.google.domain or auth.email.allowed_domains: is required"]),
        (SOUND.replace("acme.test}}", '"${UNSET}"}}'), ["auth.google.domain or"]),
        (SOUND.replace("brand", "brnad"), ["instance.brnad: is not a setting; did you mean instance.brand?"]),
        (SOUND.replace("Atlas", "[{a: b}]"), ["instance.brand: must be a list of texts"]),
        (SOUND.replace("Atlas", "{a: b}"), ["instance.brand: must be a value and not a section"]),
        (
            SOUND.replace("https://agnes", "ftp://agnes") + "theme: {accent: yellow, accent_dark: '#111111'}",
            ["instance.url (SERVER_URL): ", "theme.accent (AGNES_THEME_ACCENT): ", "theme.accent_dark (AGNES_THEME_ACCENT_DARK): "],
        ),
        (SOUND + "server: {hostname: other.test}", ["say the same setting differently"]),
        (SOUND.replace("/me/connect", "//evil.test"), ["instance.home_route (AGNES_HOME_ROUTE): "]),
        (SOUND.replace("/me/connect", "'/\\evil'"), ["instance.home_route (AGNES_HOME_ROUTE): "]),
        (SOUND.replace("/me/connect", "https://evil.test"), ["instance.home_route (AGNES_HOME_ROUTE): "]),
        (SOUND + "email: {smtp_port: s3cret}", ["email.smtp_port (SMTP_PORT): "]),
        (SOUND.replace("brand: Atlas", "logo_svg: '<p>s3cret</p>'"), ["instance.logo_svg (AGNES_INSTANCE_LOGO_SVG): "]),
    ],
)  # fmt: skip
def test_what_is_wrong_stops_the_start_and_is_named(tmp_path, text, faults):
    found = refused(tmp_path, text)
    assert len(found) == len(faults), found
    for line, fault in zip(found, faults, strict=True):
        assert fault in line
    assert "s3cret" not in "".join(found)


def test_faults_of_the_file_and_of_the_environment_are_told_together(tmp_path):
    found = refused(tmp_path, "instance: {nmae: x}", PORT="many")
    assert [line.strip().split(":")[0] for line in found] == [
        "instance.nmae", "instance.name", "instance.url", "auth.google.domain or auth.email.allowed_domains", "PORT",
    ]  # fmt: skip


def test_a_folder_that_was_named_must_hold_the_file(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        load({"CONFIG_DIR": str(tmp_path)})


def test_without_a_file_nothing_is_required(tmp_path):
    folders = (tmp_path / "config", tmp_path / "layer")
    assert load({}, folders=folders).agnes_instance_brand == "Agnes"
    for folder, brand in (("layer", "Layer"), ("config", "Atlas")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "instance.yaml").write_text(SOUND.replace("Atlas", brand))
        assert load({}, folders=folders).agnes_instance_brand == brand


def test_every_key_stands_for_a_setting_and_is_documented():
    text = (ROOT / "docs" / "configuration.md").read_text()
    variables = {name.upper() for name in Settings.model_fields}
    assert set(instance_file.KEYS.values()) <= variables
    for key in (*instance_file.KEYS, *instance_file.ALIASES, *instance_file.WITHOUT_EFFECT):
        assert f"`{key}`" in text, key
    for key, reason in instance_file.WITHOUT_EFFECT.items():
        assert reason in text, key


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#767676", "#ffffff", 4.54),
        ("#777777", "#ffffff", 4.48),
    ],
)
def test_contrast_is_wcags(one, other, ratio):
    """The figures of WebAIM's contrast checker."""
    assert round(contrast(one, other), 2) == ratio


def test_a_theme_is_readable_where_a_colour_is_set():
    assert branding.theme_css(load({})) == ""
    css = branding.theme_css(load({"AGNES_THEME_ACCENT": "#0A6B4F", "AGNES_THEME_ACCENT_DARK": "#7de0c0"}))
    assert "--accent: #0a6b4f" in css
    assert "--on-accent: #ffffff" in css.splitlines()[0]
    assert "--on-accent: #0b1430" in css.splitlines()[1]
