"""Easyconfigs: written from a recipe, its base and its lock, and read back as data."""
