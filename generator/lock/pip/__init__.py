"""Locking wheels, by pip's own resolver, in the image where they will be installed."""
