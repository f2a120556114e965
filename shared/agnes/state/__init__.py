"""State files: DuckDB databases in an object store, read by snapshot and changed by shipping their log.

Start at `files.StateFiles`; docs/state.md tells how a commit and a read go.
"""

from agnes.state.files import StateFiles
from agnes.state.head import TAIL_GENERATIONS
from agnes.state.migrations import Migration, names, packaged

__all__ = ["TAIL_GENERATIONS", "Migration", "StateFiles", "names", "packaged"]
