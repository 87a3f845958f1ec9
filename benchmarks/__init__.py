"""Measures what ebsif costs, beside what the same costs by hand: ``python -m benchmarks run``, ``table``, ``plot``."""
