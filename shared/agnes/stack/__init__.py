"""Stacks: who asked for which plugins, and what each person is served."""
