"""The look of every page, as one text of CSS.

Every rule is about a class that begins with ``xser-``, so the fragments can stand in a page of others. Dark colours
hold below a ``dark`` class, as Gradio sets it, and in a document of ours where the reader's system is dark. What a
colour says is also said by a sign, a line or a word.
"""

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
DOCUMENT = """
.xser-page { color-scheme: light dark; margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 58rem;
  background: var(--xser-surface); color: var(--xser-ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
.xser-page.xser-wide { max-width: 90rem; }
.xser-page h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.5rem 0 1rem; overflow-wrap: anywhere; }
.xser-page h2 { font-size: 1.25rem; line-height: 1.3; margin: 2.5rem 0 0.75rem; overflow-wrap: anywhere; }
.xser-page h3 { font-size: 1rem; margin: 0 0 0.25rem; }
.xser-page a { color: var(--xser-words); }
.xser-page img { max-width: 100%; height: auto; background: white; border-radius: 4px; }
.xser-page figure { margin: 1.5rem 0; }
.xser-page section > p, .xser-page figcaption { font-size: 0.9rem; color: var(--xser-muted); }
.xser-page .wide { overflow-x: auto; }
.xser-page .wide table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem; }
.xser-page .wide :is(th, td) { padding: 0.3rem 0.7rem; text-align: right; white-space: nowrap; }
.xser-page .wide :is(th, td):nth-child(-n+2) { text-align: left; }
.xser-page .wide thead th { border-bottom: 2px solid; }
.xser-page .wide tbody tr:nth-child(even) { background: var(--xser-raised); }
"""
TEXT = """
.xser-note { color: var(--xser-muted); font-size: 0.875rem; margin: 0 0 0.75rem; max-width: 46rem; }
.xser-empty { padding: 2rem 1rem; background: var(--xser-raised); border-radius: 8px; text-align: center; }
.xser-paragraph { font-size: 1.3rem; line-height: 1.75; margin: 0.5rem 0; overflow-wrap: anywhere; }
.xser-claim { color: inherit; background: none; text-decoration: underline 2px; text-underline-offset: 0.28em; }
.xser-claim.xser-supported { text-decoration-color: var(--xser-good); }
.xser-claim.xser-contradicted { text-decoration-style: wavy; text-decoration-color: var(--xser-bad);
  text-decoration-thickness: 1.5px; }
.xser-claim.xser-unmeasured { text-decoration-style: dotted; text-decoration-color: var(--xser-open); }
.xser-sign { display: inline-block; font-size: 0.65em; font-weight: 700; vertical-align: super; line-height: 0;
  margin-left: 0.1em; }
.xser-sign.xser-supported, .xser-verdict.xser-supported { color: var(--xser-good); }
.xser-sign.xser-contradicted, .xser-verdict.xser-contradicted { color: var(--xser-bad); }
.xser-sign.xser-unmeasured, .xser-verdict.xser-unmeasured { color: var(--xser-open); }
.xser-verdict { white-space: nowrap; font-weight: 600; }
.xser-legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; color: var(--xser-muted); font-size: 0.875rem;
  margin: 0 0 0.75rem; padding: 0; list-style: none; }
.xser-legend li { margin: 0; }
.xser-legend .xser-sign { display: inline-block; font-size: 1em; vertical-align: baseline; margin: 0 0.15em 0 0; }
.xser-key { display: inline-block; width: 0.75em; height: 0.75em; border-radius: 2px; margin-right: 0.4em; }
.xser-facts { display: grid; grid-template-columns: auto 1fr; gap: 0.2rem 1rem; margin: 0 0 0.5rem; }
.xser-facts dt { color: var(--xser-muted); }
.xser-facts dd { margin: 0; overflow-wrap: anywhere; }
"""
TABLES = """
.xser-scroll { overflow-x: auto; }
.xser-table { border-collapse: collapse; width: 100%; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
.xser-table :is(th, td) { padding: 0.4rem 0.9rem 0.4rem 0; text-align: left; vertical-align: top; border: 0;
  border-bottom: 1px solid var(--xser-rule); }
.xser-table.xser-shares { max-width: 34rem; }
.xser-table thead th { color: var(--xser-muted); font-weight: 500; white-space: nowrap; }
.xser-table tbody th { font-weight: 600; }
@media (max-width: 30rem) {
  .xser-table { font-size: 0.75rem; } .xser-table :is(th, td) { padding-right: 0.35rem; }
  .xser-table .xser-verdict { white-space: normal; padding-right: 0; }
}
.xser-table .xser-number { text-align: right; white-space: nowrap; }
.xser-unit { color: var(--xser-muted); font-size: 0.85em; }
.xser-bars { border-collapse: collapse; width: 100%; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
.xser-bars :is(th, td) { padding: 0.2rem 0; border: 0; text-align: left; font-weight: 400; }
.xser-bars th { white-space: nowrap; padding-right: 0.75rem; width: 1%; }
.xser-bars td.xser-number { text-align: right; white-space: nowrap; padding-left: 0.75rem; width: 1%; }
.xser-bars .xser-sum :is(th, td) { border-top: 1px solid var(--xser-rule); }
.xser-bars .xser-named :is(th, td) { font-weight: 700; }
.xser-track { position: relative; height: 0.85rem; border-radius: 3px; background: var(--xser-track); }
.xser-fill { position: absolute; top: 0; bottom: 0; border-radius: 3px; background: var(--xser-wave); }
.xser-named .xser-fill { background: var(--xser-line); }
.xser-fill.xser-words, .xser-key.xser-words { background: var(--xser-words); }
.xser-fill.xser-voice, .xser-key.xser-voice { background: var(--xser-voice); }
.xser-fill.xser-other, .xser-key.xser-other { background: var(--xser-line); }
.xser-zero { position: absolute; left: 50%; top: -0.2rem; bottom: -0.2rem; width: 1px; background: var(--xser-ink); }
.xser-ends { display: flex; justify-content: space-between; color: var(--xser-muted); font-size: 0.8rem; }
.xser-details { margin: 0.75rem 0 0; font-size: 0.9rem; }
.xser-details > summary { cursor: pointer; color: var(--xser-muted); }
"""
LAYOUT = """
.xser-evidence { color: var(--xser-ink); font-size: 1rem; line-height: 1.5; }
.xser-evidence h3 { font-size: 1rem; font-weight: 650; margin: 0 0 0.25rem; color: inherit; }
.xser-part { margin: 1.75rem 0 0; }
.xser-pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(19rem, 100%), 1fr)); gap: 0 3rem; }
.xser-layers { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(16rem, 100%), 1fr)); gap: 1rem 3rem; }
.xser-layers figure { margin: 0; min-width: 0; }
.xser-layers figcaption { color: var(--xser-muted); font-size: 0.875rem; }
.xser-columns { display: flex; align-items: flex-end; gap: 2px; height: 6.5rem; border-bottom: 1px solid
  var(--xser-ink); padding-top: 1.2rem; box-sizing: border-box; }
.xser-column { flex: 1; position: relative; min-width: 0; border-radius: 3px 3px 0 0; }
.xser-column.xser-words { background: var(--xser-words); }
.xser-column.xser-voice { background: var(--xser-voice); }
.xser-column.xser-other { background: var(--xser-line); }
.xser-column span { position: absolute; bottom: 100%; left: 0; right: 0; text-align: center; font-size: 0.75rem;
  color: var(--xser-ink); }
.xser-places { display: flex; gap: 2px; color: var(--xser-muted); font-size: 0.75rem; }
.xser-places span { flex: 1; min-width: 0; text-align: center; }
.xser-contents { columns: 2 18rem; padding-left: 2.25rem; }
.xser-contents li { overflow-wrap: anywhere; break-inside: avoid; margin-bottom: 0.3rem; }
"""
PLOT = """
.xser-plot { display: block; overflow: visible; margin-left: 3.1rem; width: calc(100% - 3.6rem);
  color: var(--xser-ink); }
.xser-plot text { fill: var(--xser-muted); font: 12px system-ui, "Segoe UI", Roboto, sans-serif;
  font-variant-numeric: tabular-nums; }
.xser-plot text.xser-panel { fill: var(--xser-ink); font-weight: 600; }
.xser-plot tspan.xser-aside { fill: var(--xser-muted); font-weight: 400; }
.xser-plot path, .xser-plot line { fill: none; vector-effect: non-scaling-stroke; stroke-linejoin: round;
  stroke-linecap: round; }
.xser-plot .xser-grid { stroke: var(--xser-rule); stroke-width: 1; }
.xser-plot .xser-axis { stroke: var(--xser-muted); stroke-width: 1; }
.xser-plot .xser-silent { fill: var(--xser-pause); }
.xser-plot path.xser-wave { fill: var(--xser-wave); }
.xser-plot path.xser-curve { stroke: var(--xser-line); stroke-width: 1.75; }
.xser-plot path.xser-words { stroke: var(--xser-words); stroke-width: 1.5; }
.xser-plot path.xser-voice { stroke: var(--xser-voice); stroke-width: 1.5; stroke-dasharray: 5 3; }
.xser-plot path.xser-other { stroke: var(--xser-line); stroke-width: 1.5; stroke-dasharray: 1 3; }
.xser-plot path.xser-area { stroke-width: 1.25; fill-opacity: 0.25; }
.xser-plot path.xser-area.xser-words { fill: var(--xser-words); }
.xser-plot path.xser-area.xser-voice { fill: var(--xser-voice); }
.xser-plot path.xser-area.xser-other { fill: var(--xser-line); }
.xser-plot tspan.xser-words { fill: var(--xser-words); }
.xser-plot tspan.xser-voice { fill: var(--xser-voice); }
.xser-plot tspan.xser-other { fill: var(--xser-line); }
"""
COLOURS = (
    f":root {{{LIGHT}}}\n@media (prefers-color-scheme: dark) {{ .xser-page {{{DARK}}} }}\n"
    f".dark, .dark .xser-page {{{DARK}}}\n"
)
STYLE = COLOURS + DOCUMENT + TEXT + TABLES + LAYOUT + PLOT
