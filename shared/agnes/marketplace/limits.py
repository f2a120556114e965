"""Bounds of one marketplace, each with where it comes from. Those of a tree are in `agnes.trees.rules`."""

from datetime import timedelta

MAX_MANIFEST_BYTES = 2_000_000
"""The largest public catalogs are near 0.2 MB; ten times that is room enough."""
MAX_JSON_DEPTH = 32
"""Hooks and servers nest 8 deep; what nests deeper was made to break readers."""
MAX_PLUGINS = 2_000
"""Entries of one catalog; those beyond are left out. The largest public ones list near 300."""
MAX_DESCRIPTION_CHARACTERS = 4_000
MAX_TEXT_CHARACTERS = 500
MAX_KEYWORDS = 50
MAX_ITEMS = 1_000
"""Inner items of one plugin."""
MAX_FRONT_MATTER_BYTES = 65_536
"""As for Claude Code, where the file is not trusted; examples in agents make it several thousand."""
MAX_METADATA_BYTES = 1 << 20
"""Of marketplace-metadata.json."""
MAX_MARKDOWN_BYTES = 64 * 1024
MAX_USE_CASES = 20
MAX_DOC_LINKS = 20
MAX_METADATA_ITEMS = 500
MAX_COVER_BYTES = 4_000_000
"""What a function may answer (4.5 MB): pages load pictures from us alone, so none is redirected to the store."""
MAX_ASSET_BYTES = 10_000_000
"""Of a document."""
MAX_INLINE_BYTES = 1_000_000
"""A larger document is fetched from the store itself, by a presigned URL."""
MAX_ASSETS_BYTES = 100_000_000
"""Of all covers and documents of one commit; and of all that are fetched in one sync."""
MAX_MIRRORED = 200
"""URLs mirrored of one marketplace."""
MIRROR_PARALLEL = 4
MIRROR_SECONDS = 60.0
"""For one URL, redirects included."""
MIRROR_FRESH = timedelta(minutes=15)
"""A copy that was asked about so lately is not asked about again while the repository is as it was: other people's
servers are not for who syncs again and again."""
MAX_PACKUMENT_BYTES = 20_000_000
"""What an npm registry says of one package: the largest public ones are near 10 MB."""
MAX_TARBALL_BYTES = 50_000_000
MAX_ARCHIVE_BYTES = 268_435_456
"""Of an `archive` source, as for Claude Code."""
EXTERNAL_PARALLEL = 4
"""External sources fetched side by side."""
MAX_EXTERNAL_BYTES = 500_000_000
"""New content of external sources that one sync takes; the others wait for the next one."""
MAX_RUNS_IN_A_ROW = 20
"""Syncs that follow one another for external sources that wait; then the schedule goes on."""
EXTERNAL_SECONDS = 60.0
"""For one external source: a server that hangs does not use up the time of the others."""
MIN_EXTERNAL_SECONDS = 1.0
"""With less time left, a source waits for the next sync."""
MAX_ENTRIES = 50_000
"""Files of one plugin that are looked at, those behind symbolic links each time that they are met."""
MAX_LINK_BYTES = 4_096
"""Of a symbolic link's target: the longest path of Linux."""
MAX_LINK_HOPS = 40
"""Links followed for one path, as on Linux."""
MAX_LEFT_OUT = 20
"""Files of one plugin that are named when they are left out; the others are counted."""
RESERVED_SECONDS = 10.0
"""Of a sync's time, at most a fifth of it: for the repository's own plugins and the commit, after sources of other places."""
MAX_WAITING_NAMED = 50
"""Plugins that are named of those that wait for the next sync."""
MAX_REPORTED = 500
"""Reasons kept of one sync: a marketplace of hundreds of external sources has one for each when a network is down."""
MAX_PATCHES = 100
"""Files of a review with their text."""
MAX_PATCH_LINES = 400
MAX_PATCH_BYTES = 200_000
MAX_LISTED_PATHS = 50
"""Paths kept of each list of a difference."""
KEEP_SYNC_DAYS, KEEP_SYNCS = 400, 100
"""Of the sync history of each marketplace: a year to look back on, and the last hundred however old."""
MAX_LISTED_SYNCS = 200
"""Lines of sync history in one answer."""
MAX_TAGS_READ = 20
"""By one sync, of those that ranges of dependencies ask for; each is a fetch of one commit."""

SYNC_SECONDS = 300.0
"""For one repository by schedule: the reference's limit of a git command."""
INTERACTIVE_SYNC_SECONDS = 25.0
"""For an admin who waits: API Gateway ends a request after 29 s."""
CLAIM_MARGIN_SECONDS = 60
"""How long beyond its own time a sync may hold its marketplace; it ends by itself if its worker was killed."""

MAX_RENAMES = 5_000
"""Of one catalog, which keeps every rename for ever."""
