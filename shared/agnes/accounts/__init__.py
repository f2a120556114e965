"""Accounts: who there is, and how they prove it: passwords, sign-ins, personal access tokens.

`service` answers who is asking; `signing_in`, `tokens`, `users` and `first_start` change things. Every way of proving who
one is ends in `sign_ins.start`.
"""
