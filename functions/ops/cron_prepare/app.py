"""Before anything is served: is the store sound, is there a secret to sign with, are the state files migrated?"""

from typing import Any

from agnes import wiring
from agnes.edge import Function, job
from agnes.edge.job import Tick
from agnes.kernel.ports import ANYTHING
from agnes.ops.backup import unfinished
from agnes.outside.object_store.probe import probe

app = Function("ops-cron_prepare")

PASSED = "probe/passed"


@app.lambda_function()
@job("ops.prepare")
def run(tick: Tick) -> dict[str, Any]:
    """Probe a store once, make what is missing, migrate. The deployer runs it, and each local start."""
    state, store = wiring.state(), wiring.store()
    unfinished.refuse(store)
    known = store.read(PASSED) is not None
    if not tick.dry_run:
        if not known:
            probe(store)
            store.write(PASSED, b"", expect=ANYTHING)
        wiring.make_signing_key()
        state.migrate()
    return {"store_probed": not known, "state": {file: state.generation(file) for file in state.names}}
