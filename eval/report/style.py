"""The report's style sheet: one column of readable text, light and dark by the reader's choice, fit for print."""

STYLE = """
:root { color-scheme: light dark;
  --mono: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  --paper: #ffffff; --ink: #1c2330; --muted: #5d6675; --line: #dde1e8; --wash: #f5f7fa; --accent: #2457a6;
  --s0: #2f6fb4; --s1: #c8592a; --s2: #2f8a5b; --s3: #8256b3; --s4: #a0791b; --neutral: #98a1af;
  --c0: #fde9c9; --c1: #fbd08d; --c2: #f4ab4c; --c3: #e57f1e; --c-ink: #241a0d;
  --support: #1f7a4d; --interfere: #a8324a; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14181f; --ink: #e4e8ee; --muted: #9aa4b2; --line: #303844; --wash: #1c222b; --accent: #83aef0;
  --s0: #6fa8e8; --s1: #ee8a5c; --s2: #5fc492; --s3: #b691e2; --s4: #d3ad4d; --neutral: #697384;
  --c0: #4a3a20; --c1: #6b4b18; --c2: #96600f; --c3: #c97512; --c-ink: #fff3e0;
  --support: #62d29b; --interfere: #f08a9e; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 40px 24px 72px; }
header { border-bottom: 1px solid var(--line); padding-bottom: 20px; margin-bottom: 8px; }
.kicker { color: var(--muted); font-size: 14px; margin: 0; }
h1 { font-size: 30px; line-height: 1.2; letter-spacing: -0.01em; margin: 4px 0 12px; }
h2 { font-size: 21px; line-height: 1.3; margin: 44px 0 8px; }
h3 { font-size: 16px; margin: 24px 0 4px; }
h4 { font-size: 14px; margin: 8px 0 4px; }
p { margin: 8px 0 12px; max-width: 72ch; }
a { color: var(--accent); }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 14px; margin-top: 12px; }
.lead { font-size: 18px; line-height: 1.5; }
.muted, caption, figcaption { color: var(--muted); font-size: 14px; }
.notes { background: var(--wash); border-left: 3px solid var(--accent); margin: 16px 0; padding: 12px 20px 12px 36px; }
.notes li { margin: 4px 0; max-width: 80ch; }
.scroll { overflow-x: auto; margin: 12px 0; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: 8px; caption-side: top; }
th, td { padding: 7px 8px; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { color: var(--muted); font-weight: 600; border-bottom: 2px solid var(--line); white-space: nowrap; }
thead th:not(:first-child), .n { text-align: right; }
tbody th { font-weight: 500; }
tr.first > * { border-top: 1px solid var(--neutral); }
.n { white-space: nowrap; }
.task { display: block; font-weight: 600; }
.better { display: block; color: var(--accent); font-size: 12.5px; }
.explain { display: block; color: var(--muted); font-weight: 400; font-size: 13px; line-height: 1.4; max-width: 36ch; }
.detail { display: block; color: var(--muted); font-size: 12.5px; }
.chance { color: var(--muted); }
.hash { font-family: var(--mono); font-size: 12.5px; text-align: right; }
figure { margin: 16px 0; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font-family: inherit; font-size: 12px; fill: var(--muted); }
svg text.label { font-size: 13px; } svg text.name, svg text.value { font-size: 13px; fill: var(--ink); }
.grid { stroke: var(--line); stroke-width: 1; } .axis { stroke: var(--neutral); stroke-width: 1; }
.level { stroke: var(--muted); stroke-width: 1.2; stroke-dasharray: 5 4; }
polyline { fill: none; stroke-linejoin: round; stroke-linecap: round; }
polyline.line { stroke-width: 2; } polyline.faint { stroke-width: 1; opacity: 0.35; }
.mark { stroke: var(--paper); stroke-width: 1.5; }
polyline.s0 { stroke: var(--s0); } polyline.s1 { stroke: var(--s1); } polyline.s2 { stroke: var(--s2); }
polyline.s3 { stroke: var(--s3); } polyline.s4 { stroke: var(--s4); }
circle.s0, rect.s0 { fill: var(--s0); } circle.s1, rect.s1 { fill: var(--s1); }
circle.s2, rect.s2 { fill: var(--s2); } circle.s3, rect.s3 { fill: var(--s3); }
circle.s4, rect.s4 { fill: var(--s4); } rect.neutral { fill: var(--neutral); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 8px 0 4px; padding: 0;
  font-size: 14px; }
.swatch { display: inline-block; width: 22px; height: 0; border-top: 3px solid; vertical-align: middle;
  margin-right: 7px; }
.swatch.s0 { color: var(--s0); } .swatch.s1 { color: var(--s1); } .swatch.s2 { color: var(--s2); }
.swatch.s3 { color: var(--s3); } .swatch.s4 { color: var(--s4); }
.swatch.faint { opacity: 0.4; border-top-width: 1px; color: var(--ink); }
.swatch.marks { width: 9px; height: 9px; border: 0; border-radius: 50%; background: var(--muted); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(380px, 1fr)); gap: 8px 28px; }
.tokens { color: var(--muted); font-size: 14.5px; line-height: 1.9; white-space: pre-wrap; max-width: none; }
figure .tokens { background: var(--wash); border: 1px solid var(--line); border-radius: 6px; padding: 16px 20px; }
.c0, .c1, .c2, .c3 { color: var(--c-ink); border-radius: 3px; padding: 1px 0; }
@media (prefers-color-scheme: light) { .c3 { color: #fff; } }
.c0 { background: var(--c0); } .c1 { background: var(--c1); }
.c2 { background: var(--c2); } .c3 { background: var(--c3); }
.kind-supporting { border-bottom: 3px solid var(--support); padding-bottom: 1px; }
.kind-interference { border-bottom: 3px dotted var(--interfere); padding-bottom: 1px; }
.kind-answer { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 2px; }
.left-out { color: var(--accent); font-style: italic; }
table.paper th[scope="rowgroup"] { color: var(--muted); font-weight: 600; }
table.paper th { white-space: nowrap; }
tr.measured > * { background: var(--wash); } tr.measured th { font-weight: 600; }
.footnotes { color: var(--muted); font-size: 13px; margin: 4px 0 24px; padding-left: 20px; }
.side-by-side td.said { white-space: pre-wrap; overflow-wrap: anywhere; width: 75%; }
.side-by-side thead th:nth-child(2) { text-align: left; }
.heat-cell { fill: var(--s0); } .no-sample { fill: none; stroke: var(--line); stroke-dasharray: 3 3; }
svg text.heat-value { fill: var(--ink); }
details { border: 1px solid var(--line); border-radius: 6px; margin: 8px 0; padding: 8px 14px; }
summary { cursor: pointer; font-weight: 500; }
pre { font: 12.5px/1.5 var(--mono); overflow-x: auto; white-space: pre-wrap; }
@media (max-width: 520px) { .pair { grid-template-columns: 1fr; } main { padding: 24px 16px; } }
@page { margin: 14mm; }
@media print { main { max-width: none; padding: 0; } nav { display: none; } body { font-size: 11px; }
  p { max-width: none; } h1 { font-size: 22px; } h2 { font-size: 16px; margin-top: 22px; } .lead { font-size: 13px; }
  table, .legend, .tokens, caption, figcaption { font-size: 10px; } th, td { padding: 4px 7px; }
  .detail, .better, .explain, .hash { font-size: 9px; }
  h3 { font-size: 12px; } .pair { grid-template-columns: 1fr 1fr; } .pair h4 { margin: 0; }
  figure, tr, .notes { break-inside: avoid; } figure:has(.tokens) { break-inside: auto; } h2, h3 { break-after: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
