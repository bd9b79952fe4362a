"""The documentation site: `sphinx-build -W --keep-going -b html docs OUT`, without a network."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from zoo.support.command import silence
from zoo.support.version import __version__

with silence():  # TensorFlow's remarks
    import keras  # noqa: F401

project = "Keras Colorization Zoo"
author = "The Keras Colorization Zoo authors"
project_copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "commands", "docstrings", "outside"]
exclude_patterns = ["_ext"]
outside_pages = {
    "site/study": "reports/README.md",
    "site/leaderboard": "reports/leaderboard.md",
    "site/gallery": "reports/gallery.md",
    "site/changes": "CHANGELOG.md",
    "site/contributing": "CONTRIBUTING.md",
    "site/security": "SECURITY.md",
}

myst_heading_anchors = 4
smartquotes_action = "D"  # dashes alone: between a parameter and what it is
default_role = "py:obj"  # docstrings write `name` as Markdown does
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_use_ivar = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 88

html_theme = "furo"
html_title = project
html_copy_source = False
html_show_sphinx = False
