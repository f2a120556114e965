"""A corpus of uploads, malicious and benign, for the score of the checks (docs/checks.md).

Four sets by four sets of templates, each drawn with a seed of its own: `tuning`, general forms of published attack classes, `incidents`,
after published incidents, and `techniques`, each technique in several languages and wordings, are what rules may be tuned on; `untuned` was written last, after other cases and in other words, and measured once.
One person wrote the rules and the templates, so `untuned` is independent in text and not in mind; public plugins are the independent measure
of false positives.
"""
