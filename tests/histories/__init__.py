"""Histories of real processes that are killed and paused, and whether a single copy of the data explains them."""
