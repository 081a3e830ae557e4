"""Every table that is kept as a result, written into its page: python3 scripts/host.py bench tables [--check]

A page has two lines, `<!-- written by: python3 scripts/host.py bench tables, NAME -->` and
`<!-- end of what is written -->`; what stands between is made from results/NAME.json by the columns below.
The tables of real footage have figures of their own, benchmarks/footage/figures.json. It needs no torch.
"""

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

import _results
from _results import ROOT, Interval
from footage import table as footage

PAGES = (*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "weights" / "README.md")
BEGIN, END = "<!-- written by: python3 scripts/host.py bench tables, {} -->", footage.END
BLOCK = re.compile(f"({re.escape(BEGIN).replace(re.escape('{}'), '([a-z0-9_]+)')})\n(.*?)\n({re.escape(END)})", re.S)


@dataclass(frozen=True)
class Column:
    """A figure: its name in the result, its head, how it is written; with `of` the share of another figure."""

    figure: str
    head: str
    form: str = ".2f"
    of: str = ""
    times: float = 1.0
    lower: bool = False  # lower is better

    def cell(self, figures: dict) -> str:
        if all(value is None for value in figures.get(self.figure, [None])):
            return ""
        found = _results.mean(figures[self.figure])
        if self.of:
            found = _results.share(figures[self.figure], figures[self.of])
        return between(found, self.form, self.times)

    def values(self, figures: dict) -> list[float | None]:
        """One number a clip."""
        if not self.of:
            return [None if value is None else self.times * value for value in figures[self.figure]]
        pairs = zip(figures[self.figure], figures[self.of], strict=True)
        return [self.times * part / whole if whole else None for part, whole in pairs]


@dataclass(frozen=True)
class Table:
    """Rows of a result that have these columns, and which rows are compared by which figure."""

    head: str
    columns: tuple[Column, ...]
    rows: tuple[str, ...] = ()  # all
    compared: tuple[tuple[str, str, str], ...] = ()  # row, row, figure


TABLES = {
    "layers_added": (
        Table("what is compared", (
            Column("wrong", "wrong, %", ".1f", "shared", 100, True), Column("hidden", "feet hidden, %", ".2f", "on_scene", 100, True),
        ), ("each pixel", "each pixel, steady depth", "lower edge, steady depth", "ground under it", "ground under it, steady depth"),
        (("each pixel, steady depth", "each pixel", "wrong"), ("lower edge, steady depth", "each pixel, steady depth", "wrong"),
         ("ground under it", "lower edge, steady depth", "wrong"))),
        Table("the hole, filled with", (Column("hole_db", "dB"),), ("the shadow left", "both removed"),
              (("both removed", "the shadow left", "hole_db"),)),
        Table("shadow", (Column("error", "error, of the light", ".3f"), Column("elsewhere", "elsewhere", ".4f"),
                         Column("iou", "IoU")), ("found shadow",)),
    ),
    "view": (
        Table("move", (
            Column("psnr", "PSNR, dB"), Column("psnr_inside", "inside, dB"), Column("hard", "hard edges, dB"),
            Column("holes_both", "holes, IoU", ".3f", "holes_either"), Column("fine_both", "holes by finer depth, IoU", ".3f", "fine_either"),
            Column("share", "holes, %", ".1f", times=100),
        )),
    ),
    "swap_director": (
        Table("way", (
            Column("height", "height", ".1f", lower=True), Column("lost", "lost", ".1f", lower=True), Column("occluder", "occluder", ".3f"),
            Column("seam", "seam", ".1f", lower=True), Column("color", "color", ".1f", lower=True),
            Column("chunk step", "chunk step", ".1f", lower=True),
        ), (), tuple(("with the nodes", "without the nodes", figure) for figure in ("height", "seam", "color", "chunk step"))),
    ),
    "layers_quality": (
        Table("what is known", (
            Column("right", "decisions right, %", ".1f", "shown", 100), Column("person_both", "person, IoU", ".4f", "person_either"),
            Column("occluder_both", "occluder, IoU", ".4f", "occluder_either"), Column("scene_both", "scene, IoU", ".4f", "scene_either"),
        )),
    ),
    "steady_depth": (
        Table("camera", (
            Column("temporal_before", "temporal error of the room, before"), Column("temporal_after", "after"),
            Column("less_percent", "less, %", ".1f"), Column("less_without_smoothing_percent", "without smoothing, %", ".1f"),
            Column("absolute_before", "absolute error, before"), Column("absolute_after", "after"),
        )),
    ),
    "watermark": (
        Table("what was done", (Column("frame", "bits of a frame", ".3f"), Column("whole", "bits of the clip", ".3f"), Column("found", "found"),
            Column("expected", "found when expected"), Column("psnr", "PSNR, dB", ".1f"))),
    ),
}  # fmt: skip


def between(found: Interval, form: str, times: float = 1.0) -> str:
    value, low, high = (f"{times * number:{form}}" for number in (found.value, found.low, found.high))
    return value if low == high else f"{value} ({low} to {high})"


def block(name: str, result: dict) -> str:
    """What stands between the two lines."""
    parts = [markdown(one, result["rows"]) for one in TABLES[name]]
    parts += [sentences for one in TABLES[name] if (sentences := comparisons(one, result["rows"]))]
    return "\n" + "\n\n".join([*parts, origin(result)]) + "\n"


def markdown(table: Table, rows: dict) -> str:
    heads = [table.head, *(column.head for column in table.columns)]
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for name in table.rows or rows:
        lines.append(f"| {name} | {' | '.join(column.cell(rows[name]) for column in table.columns)} |")
    return "\n".join(lines)


def comparisons(table: Table, rows: dict) -> str:
    """A line for each pair: in how many clips one is better, and by how much."""
    columns = {column.figure: column for column in table.columns}
    return "\n".join(f"- {comparison(columns[figure], rows, one, other)}" for one, other, figure in table.compared)


def comparison(column: Column, rows: dict, one: str, other: str) -> str:
    found = _results.compare(column.values(rows[one]), column.values(rows[other]), column.lower)
    sure = "" if found.sure else "; the interval has zero in it, so these clips do not decide"
    what = f"*{one}* is better than *{other}* in {found.better} of {found.clips} clips"
    return f"{column.head}: {what}, difference {between(found, column.form)}{sure}."


def origin(result: dict) -> str:
    """The clips, the command and the machine."""
    seeds, machine = result["seeds"], result["machine"]
    return (
        f"{len(seeds)} {result['split']} clips, seeds {min(seeds)} to {max(seeds)}; in brackets where 95 % of draws over these clips lie. "
        f"`{result['command']}` on commit `{result['commit']}`, torch {machine['torch']}, "
        f"threads: {machine['threads']} on {machine['cpus']} CPU cores."
    )


def page_with_tables(text: str) -> str:
    """A page with every block as its result says."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{block(found[2], _results.load(found[2]))}\n{found[4]}", text)


def write_all(check: bool) -> list[Path]:
    """Writes the pages, or only names those that differ."""
    changed = []
    for page in PAGES:
        old = page.read_text(encoding="utf-8")
        new = page_with_tables(old)
        if page == footage.PAGE:
            head, rest = new.split(footage.BEGIN)
            new = f"{head}{footage.BEGIN}\n{footage.block(footage.load())}\n{END}{rest.split(END, 1)[1]}"
        if new != old:
            changed.append(page)
            if not check:
                page.write_text(new, encoding="utf-8")
    return changed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail when a page differs from its results"
    )
    options = parser.parse_args()
    changed = write_all(options.check)
    for page in changed:
        print(f"{page.relative_to(ROOT)} {'differs from its results' if options.check else 'written'}")
    if changed and options.check:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
