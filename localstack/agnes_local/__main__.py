"""`python -m agnes_local`."""

import sys

from agnes_local.main import main

sys.exit(main())
