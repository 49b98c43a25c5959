"""RESULTS.md: printed as it comes about, written at the end."""


class Report:
    def __init__(self):
        self.lines = []

    def say(self, *lines):
        self.lines += lines
        print("\n".join(lines), flush=True)

    def heading(self, title, level=2):
        self.say("", f"{'#' * level} {title}", "")

    def table(self, header, rows):
        """Columns as wide as what is in them; all but the first to the right."""
        cells = [list(map(str, row)) for row in (header, *rows)]
        widths = [max(map(len, column)) for column in zip(*cells)]
        for n, row in enumerate(cells):
            padded = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]
            self.say(f"| {' | '.join(padded)} |")
            if n == 0:
                self.say(f"|{'-' * (widths[0] + 2)}|" + "".join(f"{'-' * (width + 1)}:|" for width in widths[1:]))

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(self.lines) + "\n")


RATE_HEADER = (
    "contestant", "K rows/s", "lowest to highest", "of raw", "of ceiling", "server CPU s/M", "client CPU s/M",
    "peak RSS MB",
)  # fmt: skip


def rate_table(report, measured, raw, ceilings):
    """measured: contestant -> Measured. raw, and of each transport the ceiling: Measured, or None."""
    rows = []
    for contestant, its in measured.items():
        ceiling = ceilings.get(contestant.transport)
        rows.append((
            contestant.name,
            thousands(its.rate),
            " to ".join(map(thousands, its.rates)),
            ratio(its, raw),
            ratio(its, ceiling),
            f"{its.per_million('server_cpu_s'):.2f}",
            f"{its.per_million('cpu_s'):.2f}",
            f"{its.median('peak_rss') / 1e6:.0f}" if its.median("peak_rss") else "",  # over before it was looked at
        ))  # fmt: skip
    report.table(RATE_HEADER, rows)


def thousands(rate):
    return f"{rate / 1000:.0f}"


def ratio(its, other):
    return f"{its.ratio(other):.2f}" if other else ""
