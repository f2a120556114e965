"""Where `agnes` begins. `agnes statusline` runs at each redraw of Claude Code's screen, so it goes by a way of its own
that imports no command line library."""

from __future__ import annotations

import sys


def main() -> None:
    if sys.argv[1:] == ["statusline"]:
        from agnes_cli.status import show

        show()
        return
    from agnes_cli.main import main as commands

    commands()
