"""The door: who asks, may they, is the input sound, one call, one shape of answer.

`@endpoint`, `@page` and `@job` sit *under* Chalice's own decorators, because Chalice turns a
view's exception into a bare 500 before its middleware can see it.
"""

from agnes.edge.app import Function
from agnes.edge.endpoint import endpoint
from agnes.edge.form import Done, form
from agnes.edge.job import job, queue_job
from agnes.edge.needs import Needs
from agnes.edge.page import page
from agnes.edge.reply import Download, Redirect, Reply, handed
from agnes.edge.request import Request

__all__ = [
    "Done",
    "Download",
    "Function",
    "Needs",
    "Redirect",
    "Reply",
    "Request",
    "endpoint",
    "form",
    "handed",
    "job",
    "page",
    "queue_job",
]
