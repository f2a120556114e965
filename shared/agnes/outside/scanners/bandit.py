"""Python by Bandit, which reads the syntax tree and runs nothing. `# nosec` comments are an uploader's, and do not count here."""

from __future__ import annotations

import io
import logging
import warnings
from functools import cached_property
from typing import Any

from agnes.kernel.scanning import PythonFound

TESTS = frozenset(
    [
        "B102",  # exec
        "B202",  # tarfile.extractall
        "B301",  # pickle
        "B302",  # marshal
        "B307",  # eval
        "B501",  # requests without verifying certificates
        "B506",  # yaml.load
        "B507",  # ssh without verifying host keys
        "B602",  # subprocess with shell=True
        "B604",  # another function with shell=True
        "B605",  # os.system
        "B609",  # wildcards in shell commands
        "B613",  # bidirectional control characters
        "B614",  # torch.load
    ]
)
"""Those that say what code may do to the person who runs it; the others are about web services and style."""


class BanditScanner:
    @property
    def version(self) -> str:
        from importlib.metadata import version

        return f"bandit {version('bandit')}"

    def findings(self, source: bytes) -> list[PythonFound] | None:
        tests = self._tests
        from bandit.core.metrics import Metrics
        from bandit.core.node_visitor import BanditNodeVisitor

        metrics = Metrics()
        metrics.begin("upload.py")
        visitor = BanditNodeVisitor("/upload/module.py", io.BytesIO(source), None, tests, False, {}, metrics)
        try:
            visitor.process(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        found = {
            PythonFound(issue.test_id, issue.lineno, issue.severity.lower(), issue.text.replace("\n", " "))
            for issue in visitor.tester.results
        }
        return sorted(found, key=lambda one: (one.line, one.code))

    @cached_property
    def _tests(self) -> Any:
        logging.getLogger("bandit").setLevel(logging.CRITICAL)  # it logs what it cannot judge, with the source
        logging.getLogger("stevedore").setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it calls stevedore in an older way
            from bandit.core.config import BanditConfig
            from bandit.core.test_set import BanditTestSet

        return BanditTestSet(BanditConfig(), {"include": set(TESTS)})
