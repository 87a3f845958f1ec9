"""Configuration of Sphinx."""

project = "ebsif"
author = "the ebsif developers"
extensions: list[str] = []
html_theme = "alabaster"
nitpicky = True
