"""Handing over what ebsif makes, in forms of which others need no ebsif: a module for each."""
