"""The look of a report's page: on screens, light and dark, wide and narrow, and on paper."""

from __future__ import annotations

CSS = """
:root {
  --paper: #fff; --ink: #1b1f24; --dim: #565e67; --line: #d5d9de; --faint: #f5f6f8; --link: #1a56a8;
  --tint: #2f6fb5; --alarm: #b3261e; --alarm-ground: #fdf0ee;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Liberation Sans", Arial,
    sans-serif;
  --serif: Charter, "Bitstream Charter", "Sitka Text", Cambria, Georgia, "Noto Serif", "Liberation Serif", serif;
  --mono: ui-monospace, "SFMono-Regular", Consolas, "Liberation Mono", "DejaVu Sans Mono", monospace;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #15181c; --ink: #e6e8eb; --dim: #a3abb5; --line: #363c44; --faint: #1e2227; --link: #8ab8f2;
    --tint: #5b9be0; --alarm: #ff9d92; --alarm-ground: #33201e;
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; scroll-padding-top: 1rem; }
body {
  margin: 0 auto; padding: 3.5rem 1.5rem 4rem; max-width: 70rem; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.6 var(--serif); overflow-wrap: break-word;
}
h1, h2, h3, table, nav, figcaption, summary, dt, .subtitle, .note, footer { font-family: var(--sans); }
h1, h2, h3 { line-height: 1.2; text-wrap: balance; letter-spacing: -0.01em; }
h1 { margin: 0; font-size: 2.25rem; font-weight: 650; }
h2 { margin: 4.5rem 0 1rem; padding-top: 1rem; border-top: 2px solid var(--ink); font-size: 1.6rem; font-weight: 650; }
h3 { margin: 3rem 0 0.75rem; font-size: 1.15rem; font-weight: 650; }
p, dd { max-width: 44rem; }
p { margin: 0 0 1rem; }
a { color: var(--link); text-underline-offset: 0.15em; }
a:focus-visible, summary:focus-visible, [tabindex]:focus-visible {
  outline: 2px solid var(--link); outline-offset: 3px;
}
:target > h2, :target > h3 { color: var(--link); }
.skip { position: absolute; left: -100rem; }
.skip:focus { position: static; }
.subtitle { margin: 0.6rem 0 2rem; color: var(--dim); }

nav { margin: 0 0 2.5rem; font-size: 0.9rem; line-height: 1.5; }
nav ul { margin: 0; padding: 0; list-style: none; }
nav > ul > li {
  padding: 0.45rem 0; border-top: 1px solid var(--line); display: grid; grid-template-columns: 13rem 1fr;
}
nav > ul > li:last-child { border-bottom: 1px solid var(--line); }
nav li li { display: inline-block; margin-right: 1.1rem; }
nav > ul > li > a { font-weight: 600; padding-right: 1rem; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }

.warnings {
  margin: 0 0 2.5rem; padding: 1.25rem 1.5rem; border: 2px solid var(--alarm); border-left-width: 0.75rem;
  background: var(--alarm-ground);
}
.warnings h2 { margin: 0 0 0.5rem; padding: 0; border: 0; color: var(--alarm); font-size: 1.15rem; }
.warnings ul { margin: 0; padding-left: 1.2rem; }
.warnings li { margin: 0.35rem 0; max-width: 54rem; }
.clear { padding-left: 1rem; border-left: 0.25rem solid var(--line); color: var(--dim); }

.table { margin: 1.5rem 0 2.25rem; }
.scroll { overflow-x: auto; }
table {
  min-width: min(100%, 26rem); border-collapse: collapse; font-size: 0.875rem; line-height: 1.35;
  font-variant-numeric: tabular-nums lining-nums;
}
caption { padding: 0 0 0.6rem; text-align: left; color: var(--dim); }
caption b { color: var(--ink); font-weight: 600; }
th, td { padding: 0.4rem 0.75rem; text-align: right; vertical-align: top; font-weight: 400; }
th:first-child, thead td:first-child { padding-left: 0.25rem; }
.w { text-align: left; }
thead th { vertical-align: bottom; color: var(--dim); max-width: 9.5rem; }
thead { border-top: 1.5px solid var(--ink); border-bottom: 1px solid var(--ink); }
tbody:last-child { border-bottom: 1.5px solid var(--ink); }
tbody tr + tr { border-top: 1px solid var(--line); }
tbody th { min-width: 6.5rem; max-width: 22rem; }
td, small { white-space: nowrap; }
td.w, th small { white-space: normal; }
small { display: block; color: var(--dim); font-size: 0.8125em; }
.group th { padding-top: 1rem; text-align: left; font-weight: 600; max-width: none; }
tbody + tbody { border-top: 1px solid var(--line); }
.facts { border-top: 1.5px solid var(--ink); }
.facts th { color: var(--dim); min-width: 8rem; }
.facts td { overflow-wrap: anywhere; font-variant-ligatures: none; }
/* A long name is cut here, and whole in its row. */
.upright thead th > span {
  display: inline-block; max-height: 11rem; overflow: hidden; writing-mode: vertical-rl; transform: rotate(180deg);
  text-align: left; text-overflow: ellipsis; white-space: nowrap;
}
.upright thead th { text-align: right; }
.upright tbody th { min-width: 4.5rem; overflow-wrap: anywhere; }
.upright th, .upright td { padding-left: 0.4rem; padding-right: 0.4rem; }
.note { margin: 0.5rem 0 0; color: var(--dim); font-size: 0.8125rem; line-height: 1.45; }
SHADES
figure { margin: 1.75rem 0 2.5rem; }
img { display: block; max-width: 100%; height: auto; background: #fff; }
figcaption { margin-top: 0.5rem; color: var(--dim); font-size: 0.875rem; line-height: 1.45; max-width: 44rem; }
@media screen and (prefers-color-scheme: dark) { img { border-radius: 4px; filter: brightness(0.9); } }

dl { margin: 1rem 0; }
dl > div {
  display: grid; grid-template-columns: 13rem 1fr; gap: 0 1rem; padding: 0.6rem 0; border-top: 1px solid var(--line);
}
dt { font-size: 0.9rem; font-weight: 600; }
dd { margin: 0; font-size: 1rem; line-height: 1.5; }

details { margin: 1rem 0; border: 1px solid var(--line); padding: 0 1rem; }
summary { padding: 0.6rem 0; cursor: pointer; font-size: 0.9rem; font-weight: 600; }
pre {
  margin: 1rem 0; padding: 1rem; overflow-x: auto; background: var(--faint); border: 1px solid var(--line);
  font: 0.8125rem/1.5 var(--mono);
}
footer { margin-top: 4rem; color: var(--dim); font-size: 0.8125rem; }

@media screen and (max-width: 44rem) {
  body { padding: 1.75rem 1rem 3rem; font-size: 1rem; }
  h1 { font-size: 1.65rem; }
  h2 { margin-top: 3rem; font-size: 1.35rem; }
  nav > ul > li, dl > div { display: block; }
  .warnings { padding: 1rem; }
  .facts th { min-width: 6rem; }
  tbody:has(td.w + td.w) td.w { min-width: 11rem; } /* columns of sentences are pushed sideways, not squeezed */
  caption span { display: block; position: sticky; left: 0; max-width: calc(100vw - 3.2rem); }
}

@page { margin: 18mm 16mm 20mm; @bottom-right { content: counter(page) " / " counter(pages); font: 8pt sans-serif; } }
@page wide { size: landscape; }
@media print {
  html { font-size: 9.5pt; }
  body { margin: 0; padding: 0; max-width: none; font-size: 10pt; line-height: 1.45; }
  nav, .skip { display: none; }
  h1 { font-size: 20pt; }
  h2 { margin-top: 22pt; font-size: 15pt; }
  h3 { margin-top: 16pt; font-size: 11.5pt; }
  h2, h3, caption, summary, dt, .group { break-after: avoid; }
  p, li, dd { orphans: 3; widows: 3; }
  table { font-size: 8pt; }
  th, td { padding: 2.5pt 5pt; }
  .upright { font-size: 7pt; }
  .upright tbody th { min-width: 4.5rem; overflow-wrap: anywhere; }
.upright th, .upright td { padding: 2pt 2.5pt; }
  .scroll { overflow: visible; }
  .table:has(.many) { page: wide; }
  thead { display: table-header-group; }
  tr, tbody:not(:only-of-type), figure, .warnings, dl > div { break-inside: avoid; }
  .table:not(:has(tr:nth-child(30))) { break-inside: avoid; }
  .table { margin: 10pt 0 14pt; }
  figure { margin: 10pt 0 14pt; }
  img { max-width: 150mm; max-height: 190mm; width: auto; }
  .warnings, td { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  details { border: 0; padding: 0; }
  details::details-content { content-visibility: visible; block-size: auto; display: block; }
  summary { list-style: none; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 7.5pt; padding: 6pt; }
  a { color: inherit; }
  a[href^="http"]::after { content: " (" attr(href) ")"; font-size: 8pt; overflow-wrap: anywhere; }
}
""".replace(
    "SHADES",
    # Light enough at their strongest that ink on them can be read.
    "\n".join(f".s{i} {{ background: color-mix(in srgb, var(--tint) {4 * i}%, transparent); }}" for i in range(1, 11)),
)
