"""The cost model (`make cost`): what requests, sessions and months cost on AWS, from calls that are counted in a run.

`fleet` runs each function as Lambda would, in an environment of its own over a store as slow as S3, and counts what it asks
for. `scenarios` are the runs; `month` adds them up for people who use them as HABITS says, the one thing that is assumed.
"""
