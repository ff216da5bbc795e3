"""The page's look: Gradio's plain theme with the reader's own fonts, so that none is downloaded, and our style."""

from __future__ import annotations

import gradio

from speechbrain_xser.page.assets import asset
from speechbrain_xser.page.document import STYLE
from speechbrain_xser.page.fragments import head
from speechbrain_xser.page.timeline_view import TIMELINE_SCRIPT

RECORDING = "xser-web-recording"  # id of the input for a recording, which the script looks for
ANNOUNCED = "watch('value', () => announce(element));"
ANNOUNCED_TIMELINE = "watch('value', () => { announce(element); startOwnTimelines(element); });"
# not as css, whose selectors Gradio would rewrite; nested twice, so that Gradio's rules for tables do not win
LOOK = f"{STYLE}\n{asset('web_frame.css')}\n.gradio-container.gradio-container {{ {STYLE}\n{asset('web.css')} }}"
SCRIPT = f"{TIMELINE_SCRIPT}\n{asset('web.js')}"
HEAD = head(LOOK, SCRIPT)


def theme() -> gradio.themes.Base:
    """Gradio's theme, without a font to download."""
    plain = gradio.themes.Font("sans-serif")
    return gradio.themes.Default(primary_hue="indigo", neutral_hue="slate", font=plain, font_mono=plain)
