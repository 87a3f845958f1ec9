"""Locked easyconfigs for Python environments on frozen containers."""

__version__ = "0.1.0"
