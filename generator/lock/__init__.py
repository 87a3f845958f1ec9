"""Locks: which files make a layer, found by pip in the base, and where they come from."""
