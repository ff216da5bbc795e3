"""How the documentation is built: Markdown pages, notebooks, and the reference from the docstrings.

Nothing is fetched while it is built, and nothing is run: notebooks run in the tests. Two folders are written below
``docs``, both ignored by git: ``api``, a page a package, and ``recipes``, the README of each recipe.
"""

import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS)]

from reference import describe_field, leave_type_variable  # noqa: E402

project = "speechbrain_xser"
author = "the authors of speechbrain_xser"
copyright = "the authors of speechbrain_xser, Apache-2.0"
release = re.search(r'version="([^"]+)"', (ROOT / "setup.py").read_text(encoding="utf-8"))[1]

extensions = [
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_nb",
]
exclude_patterns = ["_build", "**/.ipynb_checkpoints", "api/modules.rst"]
default_role = "code"

# Only names of this package have to resolve: no other project's index is fetched.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!speechbrain_xser\.).*")]
suppress_warnings = ["ref.python"]  # a short name in a docstring that two modules have leads to one of them

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
nb_execution_mode = "off"
nb_merge_streams = True

apidoc_modules = [
    {
        "path": "../speechbrain_xser",
        "destination": "api",
        "separate_modules": False,
        "module_first": True,
        "include_private": False,
    }
]
autodoc_default_options = {
    "members": True,
    "undoc-members": True,
    "member-order": "bysource",
    "show-inheritance": True,
    "ignore-module-all": True,  # what a package gathers is described where it is written
}
autodoc_inherit_docstrings = False
autodoc_typehints = "signature"
autodoc_use_type_comments = False  # there are none, and looking for them takes half of the time
napoleon_google_docstring = False
napoleon_numpy_docstring = True
napoleon_custom_sections = [("Arguments", "params_style"), ("Example", "Examples")]
napoleon_use_rtype = False

html_theme = "furo"
html_title = "speechbrain_xser"
html_static_path = ["_static"]
html_css_files = ["phone.css"]
html_copy_source = False
html_show_sourcelink = False


def write_recipes(app) -> None:
    """The README of each recipe as a page, so that the site is whole."""
    folder = DOCS / "recipes"
    folder.mkdir(exist_ok=True)
    for readme in ROOT.glob("recipes/*/README.md"):
        page = folder / f"{readme.parent.name}.md"
        text = readme.read_text(encoding="utf-8").replace("](../../docs/", "](../")
        text = re.sub(r"\]\(\.\./(?!results/)([\w-]+)/README\.md", r"](\1.md", text)
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def link_recipes(app, name: str, source: list[str]) -> None:
    """Links to a recipe's README, as they work in the repository, lead to its page."""
    source[0] = re.sub(r"\]\(((?:\.\./)*)\.\./recipes/([\w-]+)/README\.md", r"](\1recipes/\2.md", source[0])


def setup(app) -> None:
    """Hooks of the build."""
    app.connect("builder-inited", write_recipes)
    app.connect("source-read", link_recipes)
    app.connect("autodoc-process-docstring", describe_field)
    app.connect("missing-reference", leave_type_variable)
