"""Columns of stacked counts, as SVG: what no package is needed for."""

from html import escape

COLORS = ("#2a9d8f", "#e9a15b", "#8d99ae", "#c8553d")
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 760, 320, 48, 64, 40
STYLE = "text { font: 13px system-ui, sans-serif; fill: #444 } .title { font-size: 16px; font-weight: 600 }"


def draw(title, columns, path):
    """columns: (label, {name: count}), from left to right; all have the same names"""
    names = list(columns[0][1])
    highest = max(sum(counts.values()) for _, counts in columns)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#fff"/>',
        f'<text class="title" x="16" y="26">{escape(title)}</text>',
        f'<text x="{LEFT - 8}" y="{TOP + 10}" text-anchor="end">{highest}</text>',
        *legend(names),
    ]
    step = (WIDTH - LEFT - 16) / len(columns)
    for number, (label, counts) in enumerate(columns):
        parts += column(LEFT + number * step, step - 3, counts, (HEIGHT - TOP - BOTTOM) / highest)
    parts += [label_at(LEFT, columns[0][0], "start"), label_at(WIDTH - 16, columns[-1][0], "end"), "</svg>"]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(parts) + "\n")


def legend(names):
    for number, name in enumerate(names):
        x = LEFT + 110 * number
        yield f'<rect x="{x}" y="39" width="11" height="11" rx="2" fill="{COLORS[number]}"/>'
        yield f'<text x="{x + 17}" y="49">{escape(name)}</text>'


def column(x, width, counts, scale):
    y = HEIGHT - BOTTOM
    for number, count in enumerate(counts.values()):
        y -= count * scale
        size = f'width="{width:.1f}" height="{count * scale:.1f}"'
        yield f'<rect x="{x:.1f}" y="{y:.1f}" {size} fill="{COLORS[number]}"/>'


def label_at(x, text, anchor):
    return f'<text x="{x}" y="{HEIGHT - BOTTOM + 20}" text-anchor="{anchor}">{escape(text)}</text>'
