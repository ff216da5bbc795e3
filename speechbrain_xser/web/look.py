"""The page's look: Gradio's plain theme with the reader's own fonts, so that none is fetched, and pieces of ours."""

from __future__ import annotations

import gradio

from speechbrain_xser.page.document import STYLE
from speechbrain_xser.timeline.page import TIMELINE_SCRIPT

FRAME = """
.gradio-container { --font: system-ui, "Segoe UI", Roboto, sans-serif; --font-mono: ui-monospace, Menlo, Consolas,
  monospace; font-family: var(--font); width: 100%; max-width: 76rem !important; margin: 0 auto; }
.gradio-container.gradio-container .html-container { padding: 0; }
.gradio-container.gradio-container .fillable { padding-inline: clamp(1rem, 3vw, 2rem); }
.dark .gradio-container audio { color-scheme: dark; }
footer .divider { display: none; }
"""
OWN = """
.xser-web-title { font-size: 1.6rem; line-height: 1.25; font-weight: 700; margin: 0.75rem 0 0.25rem; }
.xser-web-lead { color: var(--xser-muted); margin: 0; max-width: 46rem; }
.xser-web-notice, .xser-web-alert { border-left: 4px solid var(--xser-voice); background: var(--xser-raised);
  color: var(--xser-ink); padding: 0.7rem 1rem; border-radius: 6px; margin: 0.75rem 0 0; overflow-wrap: anywhere; }
.xser-web-notice { font-size: 0.9rem; }
.xser-web-alert { border-color: var(--xser-bad); }
.xser-web-hint { color: var(--xser-muted); padding: 2.5rem 1rem; text-align: center; margin: 0; border-radius: 8px;
  border: 1px dashed var(--xser-rule); }
.xser-web-player { margin: 0; }
.xser-web-player figcaption { display: flex; justify-content: space-between; gap: 1rem; color: var(--xser-ink);
  font-size: 0.9rem; margin-bottom: 0.35rem; overflow-wrap: anywhere; }
.xser-web-player figcaption span { color: var(--xser-muted); white-space: nowrap; }
.xser-web-player audio { width: 100%; height: 2.5rem; display: block; }
.xser-web-growing, .xser-web-last { color: var(--xser-ink); }
.xser-web-caret { display: inline-block; width: 0.5ch; height: 1em; margin-left: 0.1em; vertical-align: -0.1em;
  background: var(--xser-line); animation: xser-web-blink 1s steps(2, start) infinite; }
@keyframes xser-web-blink { to { opacity: 0; } }
@media (prefers-reduced-motion: reduce) { .xser-web-caret { animation: none; } }
.xser-web-doing { color: var(--xser-muted); font-size: 0.9rem; margin: 0.25rem 0 0; }
.xser-web-progress progress { appearance: none; display: block; width: 100%; height: 0.75rem; border: 0;
  border-radius: 4px; overflow: hidden; background: var(--xser-track); }
.xser-web-progress ::-webkit-progress-bar { background: var(--xser-track); }
.xser-web-progress ::-webkit-progress-value { background: var(--xser-words); }
.xser-web-progress ::-moz-progress-bar { background: var(--xser-words); }
.xser-web-last span { color: var(--xser-muted); font-variant-numeric: tabular-nums; }
.xser-web-results { min-width: 0; }
.xser-web-last { margin: 0.5rem 0 0; }
.xser-web-api pre { overflow-x: auto; }
.xser-web-api :is(th, td) { border-color: var(--xser-rule); }
"""
RECORDING = "xser-web-recording"  # id of the part that takes a recording
# The server keeps no recording, so the page plays the user's own file, which only the browser still has.
SCRIPT = """
let ownRecording = null;
for (const [kind, files] of [["change", (event) => event.target.files], ["drop", (event) => event.dataTransfer.files]])
  document.addEventListener(kind, (event) => {
    if (event.target.closest("#RECORDING") && files(event)?.length) ownRecording = files(event)[0];
  }, true);
function startOwnTimelines(element) {
  element.querySelectorAll(".xser-timeline").forEach((timeline) => {
    const audio = timeline.querySelector("audio");
    if (audio && ownRecording) audio.src = URL.createObjectURL(ownRecording);
    startTimeline(timeline);
  });
}
""".replace("RECORDING", RECORDING)
START_TIMELINE = "watch('value', () => startOwnTimelines(element));"
# not as css, whose selectors Gradio would rewrite; nested once more, so that its own rules for tables do not win
LOOK = f"{STYLE}\n{FRAME}\n.gradio-container.gradio-container {{ {STYLE}\n{OWN} }}"
HEAD = f"<style>{LOOK}</style>\n<script>{TIMELINE_SCRIPT}\n{SCRIPT}</script>"


def theme() -> gradio.themes.Base:
    """Gradio's, without a font that it would have to bring.

    Example
    -------
    >>> "fonts.googleapis" in theme()._get_theme_css()
    False
    """
    plain = gradio.themes.Font("sans-serif")
    return gradio.themes.Default(primary_hue="indigo", neutral_hue="slate", font=plain, font_mono=plain)
