"""Bases: what a container image is, what is known of it, and where it lies."""
