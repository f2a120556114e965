"""One engine for SQL that nobody has vouched for: questions about usage (`agnes.telemetry.ask`) and queries over data tables.

`locked` starts `child`, gives it the one statement and what it may read, and kills it when its time is over; `child` judges the
statement by its syntax tree, locks itself in and runs it: docs/decisions/0021-ask-in-a-child.md.
"""
