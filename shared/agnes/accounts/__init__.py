"""Accounts: who there is, and how they prove it: passwords, sessions, personal access tokens.

`service` answers who is asking; `signing_in`, `tokens`, `users` and `first_start` change things.
"""
