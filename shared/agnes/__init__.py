"""Agnes: one home for what an organisation's analysts and their coding agents share.

Arrows point right only and may skip (tests/architecture keeps it)::

    functions -> edge -> wiring -> state | outside | domains -> kernel
"""
