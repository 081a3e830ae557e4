"""The tables of docs/footage.md from the figures that bench real has kept; a figure that was not taken is a dash."""

import json
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIGURES = Path(__file__).with_name("figures.json")
PAGE = ROOT / "docs" / "footage.md"
COLUMNS = ("before", "after")
BEGIN, END = "<!-- written by: python3 scripts/host.py bench real --docs -->", "<!-- end of what is written -->"


@dataclass(frozen=True)
class Row:
    """One figure of every shot: its key, what it is, how it is written, and its aim, for all shots or for each."""

    key: str
    what: str
    written: str = "{:.1f}"
    aim: str | dict = field(default_factory=dict)


DB, PERCENT, PIXELS, CPU, GB = "{:.1f} dB", "{:.1f} %", "{:.2f} px", "{:.2f} s", "{:.1f} GB"
TABLES = {
    "The masks": (Row("matte_iou", "masks of all figures beside RVM's mattes, IoU", "{:.2f}"),),
    "A person removed": (
        Row("hole_db", "filled place beside the plate", DB, {"A": "37 dB", "B": "35.5 dB"}),
        Row("hole_exposed_db", "the same beside the plate in the exposure of each frame", DB),
        Row("with_shadow_db", "the same with the shadow in the mask", DB),
        Row("path", "path that the node chose", "{}", "still"),
        Row("fill_cpu_s", "Fill Scene, CPU seconds a frame", CPU, "0.6 s"),
        Row("removal_cpu_s", "decomposed, filled and composited, CPU seconds a frame", CPU),
        Row("sun_db", "the same place while the sun goes in", DB, "33 dB"),
        Row("sun_levels", "too bright or too dark afterwards, levels of 255", "{:.1f}"),
        Row("sun_path", "path that the node chose while the sun goes in", "{}", "still"),
        Row("rim_pixels", "pixels a frame that changed away from the person", "{:.0f}", "0"),
        Row("rim_pixels_without_person", "the same in frames without a person", "{:.0f}", "0"),
        Row("rim_equal", "all else equal to the clip, bit for bit", "{}", "yes"),
    ),
    "A person put in by depth": (
        Row("insert_shared_drawn", "drawn depth: wrong of the shared pixels", PERCENT, "3 %"),
        Row("insert_shared_breathing", "depth that breathes: wrong of the shared pixels", PERCENT),
        Row("insert_shared_steady", "the same through Steady Depth: wrong of the shared pixels", PERCENT, "3 %"),
        Row("insert_all_breathing", "depth that breathes: wrong of all pixels of the person", PERCENT),
        Row("insert_all_steady", "the same through Steady Depth: wrong of all pixels of the person", PERCENT),
    ),
    "Memory": (
        Row("server_idle_gb", "server before the graph", GB),
        Row("server_peak_gb", "server at most during the graph", GB, "4 GB"),
    ),
    "Flow and flicker": (
        Row("flow_trusted_percent", "flow that is trusted", PERCENT),
        Row("flow_trusted_on_person_percent", "flow that is trusted on the person", PERCENT),
        Row("flow_unwarped_db", "next frame beside this one", DB),
        Row("flow_warped_db", "next frame moved back along the flow", DB),
        Row("flow_cpu_s", "Estimate Flow, CPU seconds a pair of frames", CPU),
        Row("flicker", "Measure Flicker, the clip as filmed", "{:.2f}"),
        Row("flicker_brightness", "the same with a brightness that flickers by 3 %", "{:.2f}"),
        Row("flicker_blurred", "the same blurred", "{:.2f}"),
    ),
    "Pose": (
        Row("body_iou_raw", "drawn body and visible person, IoU", "{:.2f}", "0.6"),
        Row("body_covers_percent_raw", "of the person covered by the drawn body", PERCENT),
        Row("body_iou_filtered", "the same with filtered keypoints, IoU", "{:.2f}", "0.6"),
        Row("jitter_px_raw", "keypoints as detected: second difference", PIXELS),
        Row("jitter_px_same", "the same of the joints that the filter keeps", PIXELS),
        Row("jitter_px_filtered", "these joints filtered: second difference", PIXELS, "half"),
        Row("lag_frames", "by how many frames filtered keypoints trail", "{:.2f}", "1"),
    ),
}  # fmt: skip


def load(path: Path = FIGURES) -> dict:
    """{"before": {"code": ..., "rows": {"A": {key: figure}}}, "after": ...}."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def keep(figures: dict, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def markdown(figures: dict) -> str:
    """All tables."""
    return "\n\n".join(f"### {title}\n\n{table(rows, figures)}" for title, rows in TABLES.items())


def table(rows: tuple[Row, ...], figures: dict) -> str:
    lines = [" | ".join(("| figure", "shot", *COLUMNS, "aim |")), "| --- | --- | --- | --- | --- |"]
    for row in rows:
        shots = sorted(
            {shot for column in figures.values() for shot, found in column["rows"].items() if row.key in found}
        )
        lines += [line_of(row, shot, figures) for shot in shots or ["-"]]
    return "\n".join(lines)


def line_of(row: Row, shot: str, figures: dict) -> str:
    cells = [cell(row, figures.get(column, {}).get("rows", {}).get(shot, {}).get(row.key)) for column in COLUMNS]
    aim = row.aim if isinstance(row.aim, str) else row.aim.get(shot, "")
    return f"| {row.what} | {shot} | {' | '.join(cells)} | {aim} |"


def cell(row: Row, figure) -> str:
    if figure is None:
        return "-"
    if isinstance(figure, bool):
        return "yes" if figure else "no"
    return row.written.format(figure)


def write_page(figures: dict, page: Path = PAGE) -> None:
    """Puts the tables between their two lines of the page and leaves all else."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{block(figures)}\n{END}{rest.split(END)[1]}", encoding="utf-8")


def block(figures: dict) -> str:
    """What stands between the two lines."""
    taken = [f"*{name}*: nodes and models of `{figures[name]['code']}`" for name in COLUMNS if name in figures]
    return f"\n{'; '.join(taken)}.\n\n{markdown(figures)}\n" if taken else f"\n{markdown(figures)}\n"


def text(rows: dict) -> str:
    """The figures of one run, {"A": {key: figure}}, for a terminal."""
    lines = []
    for title, parts in TABLES.items():
        lines.append(title)
        for row in parts:
            values = [f"{shot} {cell(row, found[row.key])}" for shot, found in sorted(rows.items()) if row.key in found]
            lines.append(f"  {row.what:<64}{', '.join(values) or '-'}")
    return "\n".join(lines)
