"""How long the feed keeps what it made."""

from datetime import timedelta

KEEP = timedelta(days=14)
"""Of a view or zip that is nobody's any more: longer than a client stays away between two fetches."""
REFRESH = timedelta(days=7)
"""A zip older than this is written again when it is handed out, so that pruning is a week away from it."""
GRACE = timedelta(days=7)
"""From when nothing names a tree or an asset until it is removed; and how old it must be."""
VERIFY_SECONDS = 240.0
"""How long a night's sweep reads what is stored."""
SWEEP_SECONDS = 600.0
"""How long syncs may have to stand still for it."""
MAX_PACK_BYTES = 200_000_000
"""A view that packs larger than this is refused with words rather than with a broken pipe."""
MAX_ZIP_READ_BYTES = 64_000_000
"""A zip up to this size is read whole before it is handed out, once an hour and process; of a larger one its size is compared,
and `feed.sweep` reads it."""
