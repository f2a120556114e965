"""Bounds of what people share, each with where it comes from. Those of a stored tree are in `agnes.trees.rules`."""

from datetime import timedelta

MAX_ARCHIVE_BYTES = 50 * 1024 * 1024
"""Of an uploaded archive, packed."""
MAX_UNPACKED_BYTES = 200 * 1024 * 1024
"""What its members may declare together."""
MAX_MEMBERS = 10_000
"""Entries of its directory, folders and what is left out included: twice what a tree may hold."""
MAX_RATIO = 150
"""Unpacked to packed size of a whole archive; text reaches 20, deflate's own limit is 1,032."""
RATIO_FROM_BYTES = 10_000_000
"""Smaller ones may be packed as well as they like."""
MAX_FORM_BYTES = 1_000_000
"""Of a file in a form; the command sends larger ones by presigned URL."""
UPLOAD_URL_SECONDS = 900

MAX_NAME_CHARACTERS = 64
MAX_DESCRIPTION_CHARACTERS = 4_000
MIN_DESCRIPTION_CHARACTERS = 60
MAX_PHOTO_BYTES = 4_000_000
"""What a function may answer (4.5 MB): pages load pictures from us alone."""
MAX_DOCUMENT_BYTES = 10_000_000
MAX_DOCUMENTS = 20
MAX_VIDEO_URL_CHARACTERS = 500
MAX_REASON_CHARACTERS = 2_000
MIN_REASON_CHARACTERS = 4

LEASE = timedelta(minutes=5)
"""How long one review holds a submission; a worker that dies frees it by this."""
MAX_ATTEMPTS = 3
"""Reviews of one submission that ended in an error before it waits for an admin."""
KEEP_EVIDENCE = timedelta(days=30)
"""How long the files of what was blocked, rejected or withdrawn stay."""
MAX_OPEN = 20
"""Submissions of one person that wait at once."""
MAX_BLOCKED_A_DAY = 50
"""Blocked and failed submissions of one person in 24 hours."""
MAX_SUBMISSIONS_A_DAY = 200
"""Of one person, whatever became of them."""
MAX_ENTITIES = 500
"""That one person owns."""
REPORTS_TO_HOLD = 3
"""Different people who report an entity before it is held back."""
MAX_BUNDLE_BYTES = 200 * 1024 * 1024
MAX_BUNDLE_ENTITIES = 1_000
MAX_BUNDLE_MANIFEST_BYTES = 10_000_000
