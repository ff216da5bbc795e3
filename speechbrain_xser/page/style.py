"""The style sheet of every page.

Every rule applies to a class that starts with ``xser-``, so fragments can be part of other pages. Dark colours apply
below a ``dark`` class, as Gradio sets it, and in our documents if the reader's system is dark. A sign, a line or a word
always repeats what a colour says.
"""

from __future__ import annotations

from speechbrain_xser.page.assets import asset

LIGHT = """
  --xser-surface: #ffffff; --xser-raised: #f5f6f8; --xser-ink: #1b1c1f; --xser-muted: #5b606a; --xser-rule: #d8dbe1;
  --xser-track: #e9ebef; --xser-words: #1c68cf; --xser-voice: #bd5208; --xser-wave: #848b97; --xser-line: #5a3fb0;
  --xser-good: #17784a; --xser-bad: #bf2637; --xser-open: #666c76; --xser-pause: #1b1c1f0d;
"""
DARK = """
  --xser-surface: #15171b; --xser-raised: #1d2025; --xser-ink: #e8e9ed; --xser-muted: #a4a9b3; --xser-rule: #383c45;
  --xser-track: #2a2e35; --xser-words: #6aa8ff; --xser-voice: #ff9c55; --xser-wave: #7b828e; --xser-line: #b7a2ff;
  --xser-good: #58c98c; --xser-bad: #ff7d88; --xser-open: #9ba1ab; --xser-pause: #ffffff0f;
"""
COLOURS = (
    f":root {{{LIGHT}}}\n@media (prefers-color-scheme: dark) {{ .xser-page {{{DARK}}} }}\n"
    f".dark, .dark .xser-page {{{DARK}}}\n"
)
STYLE = COLOURS + asset("style.css")
