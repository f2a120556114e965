import os
import pathlib
import subprocess
import tempfile
import time


def run(event, context):
    match event["do"]:
        case "raise":
            raise LookupError("no such thing")
        case "sleep":
            child = subprocess.Popen(["sleep", "300"])
            print("started", child.pid, flush=True)
            return time.sleep(300)
        case "exit":
            return os._exit(3)
        case "large":
            return "x" * (7 * 1024 * 1024)
        case "wait":
            time.sleep(event["seconds"])
            return os.getpid()
        case "touch":
            left = sorted(path.name for path in pathlib.Path(tempfile.gettempdir()).iterdir())
            (pathlib.Path(tempfile.gettempdir()) / "left-behind").touch()
            return {"found": left, "pid": os.getpid(), "remaining_ms": context.get_remaining_time_in_millis()}
        case unknown:
            raise ValueError(unknown)
