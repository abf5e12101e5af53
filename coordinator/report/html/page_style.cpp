#include "coordinator/report/html/page_style.h"

#include "shared/base/digest.h"

namespace apportion {

const char* const page_style = R"css(
:root{color-scheme:light dark;--bg:#fff;--panel:#f4f6f8;--ink:#1a1d21;--soft:#57606a;--line:#d5dae0;
--band:#f6dfbd;--target:#8f5200;--before:#57606a;--after:#0a5cc2;--interval:#7c8794;
--good:#116329;--fair:#7d4e00;--poor:#b3261e;--warn:#fdf1e2;
--c0:#0a5cc2;--c1:#a34700;--c2:#116329;--c3:#7a3e9d;--c4:#b3261e;--c5:#00696f;--c6:#6b4d00;--c7:#57606a}
@media (prefers-color-scheme:dark){:root{--bg:#121519;--panel:#1b2027;--ink:#e7eaee;--soft:#a6b0bb;--line:#363e48;
--band:#4d3a1d;--target:#f0b35a;--before:#b3bdc8;--after:#6cb1ff;--interval:#8592a1;
--good:#63d28a;--fair:#f0b35a;--poor:#ff8f85;--warn:#3a2a15;
--c0:#6cb1ff;--c1:#f59a55;--c2:#63d28a;--c3:#cf9df0;--c4:#ff8f85;--c5:#4fd0d6;--c6:#dcbc5c;--c7:#a6b0bb}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:76rem;padding:1.5rem 1.25rem 3rem;background:var(--bg);color:var(--ink);
font:1rem/1.5 system-ui,"Noto Sans","DejaVu Sans",sans-serif;overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .75rem}
h2{font-size:1.3rem;line-height:1.3;margin:2.5rem 0 .5rem;padding-top:.9rem;border-top:1px solid var(--line)}
h3{font-size:1.05rem;margin:1.75rem 0 .5rem}
p{margin:.4rem 0;max-width:60rem}
dl{margin:.5rem 0}
a{color:var(--after)}
.lead b{font-weight:650}
.soft,.aside,figcaption .aside{color:var(--soft)}
.soft{font-size:.9rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(8.5rem,1fr));gap:.6rem;margin:1.1rem 0}
.tile{background:var(--panel);border-radius:.5rem;padding:.6rem .8rem}
.tile b{display:block;font-size:1.45rem;line-height:1.2;font-variant-numeric:tabular-nums}
.tile span{font-size:.85rem;color:var(--soft)}
.warn{background:var(--warn);border-left:.3rem solid var(--fair);border-radius:.3rem;padding:.5rem .9rem;margin:1rem 0}
.warn ul{margin:.3rem 0;padding-left:1.2rem}
.good{color:var(--good)}.fair{color:var(--fair)}.poor{color:var(--poor)}
.scroll{overflow-x:auto;margin:.6rem 0;max-width:100%}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);padding:.2rem .5rem .4rem 0}
caption.heard{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);padding:0}
th.sub{padding-left:1.2rem}
th,td{text-align:left;vertical-align:top;padding:.28rem .7rem .28rem 0;border-bottom:1px solid var(--line)}
thead th{color:var(--soft);font-weight:600;white-space:nowrap}
tbody th{font-weight:500;min-width:9rem;max-width:24rem}
td{max-width:30rem}
.n,td.n{text-align:right;white-space:nowrap}
th[title]:not([title=""]){cursor:help}
table.sortable thead th{cursor:pointer}
thead th[aria-sort=ascending]::after{content:" \2191"}
thead th[aria-sort=descending]::after{content:" \2193"}
figure{margin:1rem 0 1.4rem}
figcaption{font-weight:600;margin-bottom:.3rem}
.keys{display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;font-size:.85rem;color:var(--soft);margin-bottom:.3rem}
.key{display:inline-flex;align-items:center;gap:.35rem;min-width:0}
.key svg{flex:none}
.row{display:grid;grid-template-columns:minmax(8rem,17rem) minmax(0,1fr) 3.6rem;gap:0 .8rem;align-items:center}
.row.first{border-top:1px solid var(--line);padding-top:.1rem}
.row{padding-bottom:.1rem}
.row.axis{color:var(--soft);font-size:.8rem}
.label{font-size:.9rem;line-height:1.25;padding:.2rem 0}
.subject{display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:3;overflow:hidden}
.category{display:block;color:var(--soft);font-size:.82rem}
.value{text-align:right;font-size:.9rem;font-variant-numeric:tabular-nums}
.ticks{position:relative;height:1.3rem}
.ticks span{position:absolute;transform:translateX(-50%)}
svg.dots{display:block;width:100%;overflow:visible}
.grid{stroke:var(--line);stroke-width:1}
.band{fill:var(--band)}
line.interval{stroke:var(--interval);stroke-width:3;stroke-linecap:round}
line.bounds{stroke:var(--after);stroke-width:6;stroke-linecap:round;opacity:.45}
line.target{stroke:var(--target);stroke-width:2.5}
circle.before{fill:var(--bg);stroke:var(--before);stroke-width:2}
circle.after{fill:var(--after);stroke:var(--bg);stroke-width:1}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:.2rem 1.8rem}
.charts.wide{grid-template-columns:repeat(auto-fill,minmax(min(100%,32rem),1fr))}
.charts figure{margin:.6rem 0;min-width:0}
.area{display:grid;grid-template-columns:4rem minmax(0,1fr);gap:.5rem}
.levels{display:flex;flex-direction:column;justify-content:space-between;text-align:right;font-size:.8rem;color:var(--soft)}
.levels.one{justify-content:center}
.area svg{display:block;width:100%;height:9rem;overflow:visible}
.wide .area svg{height:14rem}
.below{display:flex;justify-content:space-between;position:relative;min-height:1.3rem;margin-left:4.5rem;font-size:.8rem;color:var(--soft)}
.below .at{position:absolute;transform:translateX(-50%);max-width:7rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.area path,.area line{fill:none;vector-effect:non-scaling-stroke}
.frame{stroke:var(--line)}
.best{stroke:var(--target);stroke-dasharray:4 4}
path.line{stroke-width:2;fill:none;stroke-linecap:round;stroke-linejoin:round}
path.points{stroke-width:6;stroke-linecap:round;opacity:.75}
.c0{stroke:var(--c0)}.c1{stroke:var(--c1)}.c2{stroke:var(--c2)}.c3{stroke:var(--c3)}
.c4{stroke:var(--c4)}.c5{stroke:var(--c5)}.c6{stroke:var(--c6)}.c7{stroke:var(--c7)}
path.line.c4,path.line.c5,path.line.c6,path.line.c7{stroke-dasharray:7 4}
details{margin:.7rem 0}
summary{cursor:pointer;padding:.25rem 0}
details.cell{border-top:1px solid var(--line);margin:0;padding:.5rem 0}
details.cell>summary h2{display:inline;border:0;margin:0;padding:0;font-size:1.1rem}
pre{background:var(--panel);border-radius:.4rem;padding:.7rem .9rem;overflow-x:auto;font-size:.85rem;white-space:pre-wrap}
code{font-size:.9em}
footer{margin-top:3rem;border-top:1px solid var(--line);padding-top:1rem}
.words dt{font-weight:600}.words dd{margin:0 0 .45rem 0;color:var(--soft)}
@media (max-width:40rem){body{padding:1rem .8rem 2rem}h1{font-size:1.35rem}
.row{grid-template-columns:minmax(0,1fr) 3.6rem}.label{grid-column:1/-1}.row.axis .label{display:none}
.charts:not(.wide){grid-template-columns:1fr 1fr;gap:.2rem .9rem}.charts:not(.wide) .area svg{height:6rem}
.area{grid-template-columns:3rem minmax(0,1fr)}.below{margin-left:3.5rem}}
@media print{:root{--bg:#fff;--panel:#f4f6f8;--ink:#000;--soft:#444;--line:#bbb;--band:#f0d9b5;--target:#8f5200;
--before:#444;--after:#0a5cc2;--good:#116329;--fair:#7d4e00;--poor:#b3261e;--warn:#fff}
body{max-width:none;padding:0;font-size:10pt}.row,figure.chart,tr,.tile{break-inside:avoid}
.scroll{overflow:visible}details::details-content{content-visibility:visible;display:block}}
)css";

const char* const page_script = R"js(
for (const table of document.querySelectorAll('table.sortable')) {
  const heads = table.tHead.rows[0].cells, body = table.tBodies[0];
  const value = (row, i) => {
    const cell = row.cells[i];
    return 'v' in cell.dataset ? Number(cell.dataset.v) : cell.textContent;
  };
  for (let i = 0; i < heads.length; ++i) {
    const sort = () => {
      const up = heads[i].getAttribute('aria-sort') !== 'ascending';
      for (const head of heads) head.removeAttribute('aria-sort');
      heads[i].setAttribute('aria-sort', up ? 'ascending' : 'descending');
      const known = (x) => typeof x === 'number' ? 0 : 1;
      const order = (a, b) => {
        const x = value(a, i), y = value(b, i);
        if (known(x) !== known(y)) return known(x) - known(y);
        return (up ? 1 : -1) * (known(x) ? x.localeCompare(y) : x - y);
      };
      body.append(...[...body.rows].sort(order));
    };
    heads[i].tabIndex = 0;
    heads[i].addEventListener('click', sort);
    heads[i].addEventListener('keydown', (event) => { if (event.key === 'Enter') sort(); });
  }
}
)js";

namespace {

unsigned hex_digit(char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); }

/// Base64 of lower-case hexadecimal digits, padded with = (RFC 4648).
std::string base64_of_hex(const std::string& hex) {
  constexpr const char* letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  unsigned bits = 0;
  int held = 0;
  for (const char c : hex) {
    bits = bits << 4U | hex_digit(c);
    held += 4;
    if (held < 6) continue;
    held -= 6;
    text += letters[bits >> static_cast<unsigned>(held) & 63U];
    bits &= (1U << static_cast<unsigned>(held)) - 1;
  }
  if (held > 0) text += letters[bits << static_cast<unsigned>(6 - held) & 63U];
  while (text.size() % 4 != 0) text += '=';
  return text;
}

}  // namespace

std::string page_policy() {
  return "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-" +
         base64_of_hex(sha256(page_script)) + "'";
}

}  // namespace apportion
