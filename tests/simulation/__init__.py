"""A seeded simulation of many writers over a store that fails in every way we know of.

`python -m tests.simulation --seeds 2000` runs it; `--seed 17 --trace` replays one schedule.
"""
