"""Git repositories through dulwich: see `agnes.kernel.git` for the port."""

from agnes.outside.git.reader import DulwichGit

__all__ = ["DulwichGit"]
