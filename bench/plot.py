"""A bar for each rate, as SVG."""

from html import escape

COLORS = {"walrow": "#2a9d8f", "raw": "#8d99ae", "peer": "#e9a15b", "ceiling": "#d9dee7"}
LEGEND = {"walrow": "walrow", "raw": "raw output, dropped", "peer": "other clients", "ceiling": "nothing emitted"}
LABEL, BAR, END = 340, 460, 70  # widths
ROW, TOP = 22, 64
STYLE = "text { font: 13px system-ui, sans-serif; fill: #444 } .title { font-size: 16px; font-weight: 600 }"


def draw(title, bars, path):
    """bars: (name, group, rate)"""
    bars = sorted(bars, key=lambda bar: -bar[2])
    width, height = LABEL + BAR + END, TOP + ROW * len(bars) + 12
    scale = BAR / max(rate for _, _, rate in bars)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{width}" height="{height}" rx="6" fill="#fff"/>',
        f'<text class="title" x="16" y="26">{escape(title)}</text>',
        *legend(),
    ]
    for n, (name, group, rate) in enumerate(bars):
        parts.append(bar(TOP + n * ROW, name, group, rate, rate * scale))
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([*parts, "</svg>"]) + "\n")


def legend():
    x = 16
    for group, text in LEGEND.items():
        yield f'<rect x="{x}" y="39" width="11" height="11" rx="2" fill="{COLORS[group]}"/>'
        yield f'<text x="{x + 17}" y="49">{escape(text)}</text>'
        x += 40 + 7 * len(text)


def bar(y, name, group, rate, width):
    return (
        f'<text x="{LABEL - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
        f'<rect x="{LABEL}" y="{y + 1}" width="{width:.1f}" height="{ROW - 6}" rx="2" fill="{COLORS[group]}"/>'
        f'<text x="{LABEL + width + 6:.1f}" y="{y + 13}">{rate / 1000:,.0f}</text>'
    )
