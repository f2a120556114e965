"""Every action that is recorded under a fixed name is in docs/audit.md."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_action_is_documented():
    text = (ROOT / "docs" / "audit.md").read_text()
    found = {
        node.args[0].value: file.relative_to(ROOT)
        for top in ("shared/agnes", "functions")
        for file in (ROOT / top).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Change"
        if node.args and isinstance(node.args[0], ast.Constant)
    }
    assert len(found) > 30
    missing = {action: str(file) for action, file in found.items() if f"`{action}`" not in text}
    assert not missing
