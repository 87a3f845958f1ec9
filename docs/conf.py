"""Configuration of Sphinx."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "ebsif"
author = "the ebsif developers"
extensions = ["sphinx_copybutton", "reference", "inner_links"]
exclude_patterns = ["_build"]
nitpicky = True
# Options and values are to be copied as they are.
smartquotes = False
highlight_language = "none"

html_theme = "furo"
html_title = "ebsif"
html_static_path = ["_static"]
html_css_files = ["ebsif.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
