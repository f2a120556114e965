"""How long the feed keeps what it made."""

from datetime import timedelta

KEEP = timedelta(days=14)
"""Of a view or zip that is nobody's any more: longer than a client stays away between two fetches."""
REFRESH = timedelta(days=7)
"""A zip older than this is written again when it is handed out, so that pruning is a week away from it."""
ZIP_URL_SECONDS = 600
MAX_PACK_BYTES = 200_000_000
"""A view that packs larger than this is refused with words rather than with a broken pipe."""
