"""What can go wrong."""


class BenchmarkError(Exception):
    """Something that is measured does not work; the message says what."""
