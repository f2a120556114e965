"""Programs, packages, settings, and what a manifest only declares."""

from __future__ import annotations

from typing import Any

from agnes.claude_code import components as kinds
from agnes.marketplace import front_matter
from agnes.marketplace.finding.model import Component
from agnes.marketplace.finding.plugin import Plugin, listed, one_line
from agnes.marketplace.manifest import PLUGIN_MANIFEST


class Others(Plugin):
    def programs(self) -> None:
        for name in self.folders.get("bin", ([], []))[1]:
            self.add(Component("program", name, f"bin/{name}", None, "", None, (f"bin/{name}",)))

    def packages(self) -> None:
        """The packages that are installed with the plugin; who has a node_modules brings them."""
        inside, names = self.folders[""]
        lower = {name.lower() for name in (*inside, *names)}
        if "package.json" not in lower or "node_modules" in lower:
            return
        lockfile = next((name for name in kinds.LOCKFILES if name in lower), None)
        package = self.json("package.json")
        if lockfile is None or not isinstance(package, dict):
            return
        for key in kinds.PACKAGE_FIELDS:
            listed = package.get(key)
            wanted = (
                listed
                if isinstance(listed, dict)
                else dict.fromkeys(map(str, listed), "")
                if isinstance(listed, list)
                else {}
            )
            for name, version in wanted.items():
                line = f"{name} {version}".strip() + ("" if key == "dependencies" else f" ({key})")
                self.add(
                    Component("package", str(name), "package.json", None, "", one_line(str(version)) or None, (line,))
                )

    def settings(self) -> None:
        file = self.json("settings.json")
        for path, given in (("settings.json", file), (PLUGIN_MANIFEST, self.manifest.get("settings"))):
            taken = {key: given[key] for key in kinds.SETTINGS if given.get(key)} if isinstance(given, dict) else {}
            for key, value in taken.items():
                shown = value if isinstance(value, str) else value.get("command", "") if isinstance(value, dict) else ""
                self.add(Component("setting", key, path, None, "", one_line(str(shown)) or None, (f"{key}: {shown}",)))
            if taken:
                return

    def options(self, table: Any, server: str = "") -> None:
        """What a person is asked for, by the plugin or by a channel's server."""
        for key, option in table.items() if isinstance(table, dict) else ():
            if not isinstance(option, dict):
                continue
            name = f"{server}: {key}" if server else str(key)
            default = one_line(str(option["default"])) if option.get("default") not in (None, "") else None
            said = [str(option.get("type")), f"default {default}" if default else ""]
            said += [word for word in ("required", "sensitive", "multiple") if option.get(word) is True]
            choices = option.get("options")
            said += [f"one of {', '.join(map(str, choices))}"] if isinstance(choices, list) else []
            words = str(option.get("title") or "")
            line = f"{name}: {', '.join(filter(None, said))}"
            self.add(Component("option", name, PLUGIN_MANIFEST, None, words, default, (line,)))

    def declared(self) -> None:
        """Options, channels, programs to download, other plugins."""
        self.options(self.manifest.get("userConfig"))
        for channel in listed(self.manifest.get("channels")):
            if isinstance(channel, dict) and isinstance(server := channel.get("server"), str):
                self.options(channel.get("userConfig"), server)
                detail = front_matter.line(channel.get("displayName"))
                line = f"{server} ({detail})" if detail else server
                self.add(Component("channel", server, PLUGIN_MANIFEST, None, "", detail, (line,)))
        binaries = self.manifest.get("binaries")
        for name, pinned in binaries.items() if isinstance(binaries, dict) else ():
            digest = pinned.get("sha256") if isinstance(pinned, dict) else None
            if isinstance(digest, str):
                self.add(Component("binary", str(name), PLUGIN_MANIFEST, None, "", None, (f"{name} ({digest[:12]})",)))
        highlighting = self.experimental.get("syntaxHighlighting")
        for language in listed(highlighting.get("hljsLanguages")) if isinstance(highlighting, dict) else ():
            if isinstance(language, dict) and isinstance(name := language.get("id"), str):
                remote = one_line(str(language.get("remote") or ""))
                self.add(Component("grammar", name, PLUGIN_MANIFEST, None, "", remote or None, (f"{name}: {remote}",)))
        for key in ("dependencies", "optionalDependencies"):
            for wanted in listed(self.manifest.get(key)):
                name, version = _dependency(wanted)
                detail = (
                    " ".join(word for word in (version, "optional" if key != "dependencies" else "") if word) or None
                )
                line = f"{name} {detail}" if detail else name
                self.add(Component("dependency", name, PLUGIN_MANIFEST, None, "", detail, (line,)))


def _dependency(wanted: Any) -> tuple[str, str]:
    """(name, or name@marketplace; range or empty)."""
    if isinstance(wanted, dict):
        name = str(wanted.get("name") or "")
        market = wanted.get("marketplace")
        return (f"{name}@{market}" if market else name), str(wanted.get("version") or "")
    return (wanted, "") if isinstance(wanted, str) else ("", "")
