"""Conda layers: environments of conda, locked by py-rattler for a base.

`environment` and `asked` are what a person has written, and need no solver; the rest imports rattler.
"""
