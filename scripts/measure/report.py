"""The table: rows of ratios, and the Markdown made of them."""

from __future__ import annotations

import dataclasses
import datetime
import os
import pathlib
import platform
import re
import statistics

from processes import CORES, Failed


@dataclasses.dataclass
class Row:
    """One line of the table: the same number out of several runs."""

    what: str
    values: list[float]
    at_most: float | None = None
    at_least: float | None = None
    unit: str = ""
    digits: int = 2
    measured: str = ""
    failures: int = 0

    def number(self, value: float) -> str:
        return f"{value:,.{self.digits}f}{self.unit}"

    def target(self) -> str:
        if self.at_most is not None:
            return f"≤ {self.number(self.at_most)}"
        if self.at_least is not None:
            return f"≥ {self.number(self.at_least)}"
        return "–"

    def verdict(self) -> str:
        median = statistics.median(self.values)
        if self.failures:
            return f"**no: {self.failures} failures**"
        if self.at_most is not None and median > self.at_most:
            return f"**no**, by {self.number(median - self.at_most)}"
        if self.at_least is not None and median < self.at_least:
            return f"**no**, by {self.number(self.at_least - median)}"
        return "–" if self.at_most is None and self.at_least is None else "yes"

    def line(self) -> str:
        numbers = [statistics.median(self.values), min(self.values), max(self.values)]
        cells = [self.what, self.target(), *map(self.number, numbers), self.verdict(), self.measured]
        return f"| {' | '.join(cells)} |"


def medians(**contenders: list[float]) -> str:
    """`a 8.1, b 6.9`: absolute numbers for the last column, which hold for this run alone."""
    parts = []
    for word, values in contenders.items():
        name, value = word.replace("id_", "id-").replace("_", " "), statistics.median(values)
        parts.append(f"{name} {value:,.0f}" if value >= 1000 else f"{name} {value:.3g}")
    return ", ".join(parts)


def ratios(these: list[float], those: list[float]) -> list[float]:
    """Run by run: each beside the one measured next to it."""
    return [this / that for this, that in zip(these, those, strict=True)]


def table(rows: list[Row], loads: list[float], seconds: float, quick: bool) -> str:
    """The Markdown, with the machine and how busy it was."""
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    kind = "quick run (`--quick`)" if quick else "run"
    lines = [
        f"{kind[0].upper()}{kind[1:]} of {day}, {seconds / 60:.0f} minutes; {CORES} cores"
        f"{f' ({cpu[1].strip()})' if cpu else ''}, Linux {platform.release().split('-')[0]}, servers, database and load "
        f"generator on the same cores. Load average at the start {loads[0]:.1f}, "
        f"at most {max(loads):.1f} (with the load made here).",
        "",
        "| what | target | median | min | max | met | medians behind it, of this run |",
        "|---|---|---|---|---|---|---|",
        *(row.line() for row in rows),
    ]
    return "\n".join(lines)


def write(page: pathlib.Path, text: str, *rows: str) -> None:
    """Puts the table between the page's markers, which say how it is made."""
    call = " ".join(["scripts/bench", *rows, "--write"])
    begin, end = f"<!-- {call}: begin -->", f"<!-- {call}: end -->"
    old = page.read_text()
    if begin not in old or end not in old:
        raise Failed(f"{page} has no markers for the table")
    before, rest = old.split(begin, 1)
    after = rest.split(end, 1)[1]
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def load_average() -> float:
    return os.getloadavg()[0]
