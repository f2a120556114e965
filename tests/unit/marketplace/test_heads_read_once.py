"""What the inventory has read of a plugin's texts is not read again for what they put into every session."""

from __future__ import annotations

from agnes.marketplace import always_on, inventory

FILES = {
    ".claude-plugin/plugin.json": b'{"name": "finops"}',
    "skills/forecast/SKILL.md": b"---\nname: forecast\ndescription: Forecasts a quarter\nwhen_to_use: in Q3\n---\nDo it.\n",
    "commands/close.md": b"# Close the month\n",
    "agents/auditor.md": b"---\nname: auditor\ndescription: 7\n---\n",
    "output-styles/terse.md": b"---\nname: Terse\n---\n",
}


def test_the_projection_is_the_same_with_heads_and_without() -> None:
    inside = inventory.of_plugin(FILES)
    assert set(inside.heads) == {path for path in FILES if path.endswith(".md")}
    with_heads = always_on.projected(inside.items(), FILES, "finops", inside.heads)
    assert with_heads == always_on.projected(inside.items(), FILES, "finops")
    assert {item.name: item.always_on for item in with_heads if item.always_on} == {
        item.name: always_on.characters(item, FILES[item.relpath], "finops")
        for item in inside.items()
        if item.kind in ("skill", "command", "agent")
    }


def test_heads_come_first() -> None:
    inside = inventory.of_plugin(FILES)
    others = {**FILES, "commands/close.md": b"# Another text\n"}
    (of_files,) = [item for item in always_on.projected(inside.items(), others, "finops") if item.kind == "command"]
    (of_heads,) = [
        item for item in always_on.projected(inside.items(), others, "finops", inside.heads) if item.kind == "command"
    ]
    assert of_files.always_on != of_heads.always_on
