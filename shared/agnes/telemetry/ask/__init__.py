"""Questions about usage in words: a model writes the SQL, a locked child process runs it.

`service` is one question from beginning to end. `database` makes the file that may be asked, `digest` describes it to
the model from its own catalogue, `agnes.sql` runs it in a locked child: docs/decisions/0021-ask-in-a-child.md.
"""
