"""A corpus of uploads, malicious and benign, for the score of the checks (docs/checks.md).

Two halves, by two sets of templates. `tuning` is what rules may be tuned on: general forms of published attack classes. `untuned` was
written after published incidents, with other templates, wordings, file layouts and false friends, and by another seed; its results are
only reported. One person's team wrote both halves and the rules, so `untuned` is independent in text and not in mind; public plugins are
the third, independent measure of false positives.
"""
