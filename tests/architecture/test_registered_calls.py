"""A registered change is found by its name in any process: the name is its module below `agnes`, and its function."""

import ast
from pathlib import Path

from agnes.kernel.calls import function_of

SHARED = Path(__file__).parents[2] / "shared"


def _registered():
    for path in sorted(SHARED.glob("agnes/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                for decorator in node.decorator_list:
                    if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "registered":
                        module = ".".join(path.relative_to(SHARED / "agnes").with_suffix("").parts)
                        yield f"{module}.{node.name}", decorator.args[0].value


def test_names_are_where_their_functions_are():
    found = list(_registered())
    assert len(found) >= 5
    for place, name in found:
        assert name == place
        assert callable(function_of(name))
