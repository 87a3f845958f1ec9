"""Locking environments of conda, by the solver of py-rattler.

That library is large: nothing outside imports more of this package than `environment`, which does without it, unless
it has to do with conda.
"""
