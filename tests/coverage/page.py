"""The page: a table of files, and each file's text with what no test reaches."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from jinja2 import Environment

from tests.coverage.counts import KINDS, File

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>pyimc RTL coverage</title><style>
:root { color-scheme: light dark; }
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
table { border-collapse: collapse; }
td, th { text-align: right; padding: .15rem .8rem; border-bottom: 1px solid #8884; }
td:first-child, th:first-child { text-align: left; }
pre { margin: 0; line-height: 1.35; } .code { overflow-x: auto; border: 1px solid #8884; padding: .5rem; }
.missed { background: #f443; display: block; } .no { color: #888; user-select: none; } .why { color: #c33; }
@media (prefers-color-scheme: dark) { .why { color: #f88; } }
</style></head><body>
<h1>What the benches of the modules reach</h1>
<p>Counted by Verilator in {{ runs }} runs, over all their parameter sets and instances.
A bit has two points: it rose, it fell.</p>
<table><tr><th>file</th>{% for kind in kinds %}<th>{{ kind }} reached</th><th>of</th><th></th>{% endfor %}</tr>
{% for file in files %}<tr><td><a href="#{{ file.name }}">{{ file.name }}</a></td>{% for kind in kinds %}
<td>{{ file.reached[kind] }}</td><td>{{ file.points[kind] }}</td>
<td>{{ '%.1f %%' % (100 * file.share(kind)) }}</td>{% endfor %}</tr>
{% endfor %}</table>
{% for file in files if file.missed %}<h2 id="{{ file.name }}">{{ file.name }}</h2><div class="code"><pre>
{%- for number, text, missed in texts[file.name] %}
{%- if missed %}<span class="missed"><span class="no">{{ '%4d' % number }} </span>{{ text }}
  <span class="why">never: {{ missed }}</span></span>
{%- else %}<span class="no">{{ '%4d' % number }} </span>{{ text }}
{% endif %}{% endfor %}</pre></div>{% endfor %}
</body></html>
"""


def missed_words(missed: Sequence[str]) -> str:
    """What is missing on a line: bits of one signal together."""
    words = []
    bits = [what for what in missed if ":" in what]
    for signal, group in groupby(bits, key=lambda what: what.split("[")[0].split(":")[0]):
        said = list(group)
        words.append(f"{signal}: {len(said)} rises and falls" if len(said) > 2 else ", ".join(said))
    return ", ".join([*dict.fromkeys(what for what in missed if ":" not in what), *words])


def write_page(files: Sequence[File], rtl: Path, runs: int, path: Path) -> None:
    """One self-contained file."""
    texts = {
        file.name: [
            (number, text, missed_words(file.missed.get(number, ())))
            for number, text in enumerate((rtl / file.name).read_text().splitlines(), 1)
        ]
        for file in files
        if file.missed
    }
    template = Environment(autoescape=True).from_string(PAGE)
    scratch = path.with_name(f".{path.name}")
    scratch.write_text(template.render(files=files, texts=texts, runs=runs, kinds=KINDS))
    scratch.replace(path)
