"""The feed: what each person may have, as `marketplace.zip` and as `marketplace.git`.

A person's *view* is the list of plugin versions that they are served. Everybody with the same view
shares its bytes and its commit; composing one only points at trees that were stored at sync.
"""
