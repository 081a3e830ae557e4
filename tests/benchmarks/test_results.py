"""Results that are kept: intervals of known distributions, splits that stay apart, and pages that say what the results say."""

import importlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
KEPT = sorted((ROOT / "benchmarks" / "results").glob("*.json"))
LIST = "## Tables whose runs are older than the results folder"
MOST = 21  # such tables; lower it when one is written from its results, never raise it


def part(name: str):
    """A file of benchmarks/."""
    folder = str(ROOT / "benchmarks")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


results, splits, tables = part("_results"), part("_splits"), part("tables")


def test_the_interval_of_a_mean_is_that_of_a_normal_distribution():
    values = np.random.default_rng(3).normal(5, 2, 400)
    found = results.mean(values)
    half = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert (found.value - found.low, found.high - found.value) == pytest.approx((half, half), rel=0.1)


def test_intervals_hold_the_truth_as_often_as_they_say():
    draw = np.random.default_rng(5)
    inside = [found.low <= 1 <= found.high for found in (results.mean(draw.exponential(1, 40)) for _ in range(200))]
    assert 0.85 < np.mean(inside) < 0.99  # 95 %, less the little that few clips of a skewed figure cost


def test_equal_clips_leave_no_interval():
    found = results.mean([3.0, 3.0, None, 3.0])
    assert (found.value, found.low, found.high) == (3, 3, 3)


def test_a_share_counts_all_clips_together():
    assert results.share([1, 0], [1, 99]).value == pytest.approx(0.01)
    with pytest.raises(ValueError, match="all wholes are 0"):
        results.share([0, 0], [0, 0])


def test_pairs_decide_what_means_cannot():
    draw = np.random.default_rng(1)
    clips = draw.normal(20, 5, 30)
    better = clips + draw.normal(0.5, 0.1, 30)
    assert results.mean(better).low < results.mean(clips).high
    found = results.compare(list(better), list(clips), lower_is_better=False)
    assert (found.better, found.clips, found.sure) == (30, 30, True)
    assert found.low < 0.5 < found.high
    assert results.compare(list(better), list(clips), lower_is_better=True).better == 0


def test_no_difference_is_not_called_one():
    draw = np.random.default_rng(2)
    clips = draw.normal(20, 5, 30)
    change = draw.normal(0, 1, 30)
    assert not results.compare(list(clips + change - change.mean()), list(clips), False).sure


def test_equal_results_are_equal_bytes(tmp_path):
    rows = {"one": {"psnr": [1.0, 2.123456789], "lost": [None, 3]}}
    result = results.make([5, 6], rows, {"size": 64}, 1)
    first = results.save("kept", result, tmp_path).read_bytes()
    assert results.save("kept", result, tmp_path).read_bytes() == first
    found = results.load("kept", tmp_path)
    assert found["rows"]["one"] == {"psnr": [1.0, 2.123457], "lost": [None, 3]}
    assert (found["split"], found["seeds"]) == ("development", [5, 6])
    assert [path.name for path in tmp_path.iterdir()] == ["kept.json"]
    assert str(ROOT) not in first.decode()


def test_figures_without_a_clip_or_a_number_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected 2 numbers"):
        results.make([5, 6], {"one": {"psnr": [1.0]}}, {}, 1)
    with pytest.raises(ValueError, match="finite"):
        results.save("kept", results.make([5], {"one": {"psnr": [float("nan")]}}, {}, 1), tmp_path)
    assert list(tmp_path.glob("*.json")) == []


def test_splits_are_apart():
    parts = list(splits.SPLITS.values())
    for index, one in enumerate(parts):
        for other in parts[index + 1 :]:
            assert max(one.start, other.start) >= min(one.stop, other.stop)
    with pytest.raises(ValueError, match="development and test"):
        splits.split_of([5, 100_005])
    with pytest.raises(ValueError, match="none"):
        splits.split_of([-1])


def stage_seeds():
    """The seeds of every committed run, by the parts of its settings that name data of the stage."""
    from pack.training.data.stage import HELD_OUT, VALIDATION

    for path in sorted((ROOT / "training" / "runs").glob("*.json")):
        settings = json.loads(path.read_text(encoding="utf-8"))
        for key in ("data", "validation"):
            data = settings.get(key) or {}
            if data.get("kind") == "stage":
                first = data.get("first_seed", VALIDATION if key == "validation" else HELD_OUT)
                yield path.stem, key, range(first, first + data.get("clips", 512))


def test_no_run_trains_on_development_or_test_seeds():
    found = list(stage_seeds())
    assert len(found) > 20
    for name, key, seeds in found:
        if key == "data":
            assert splits.split_of((seeds.start, seeds.stop - 1)) == "training", name
        else:
            assert splits.split_of((seeds.start, seeds.stop - 1)) != "test", name


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_a_result_has_what_it_needs_to_be_repeated(path):
    result = results.load(path.stem)
    assert set(result) == {"command", "commit", "settings", "machine", "split", "seeds", "rows"}
    assert result["split"] == splits.split_of(result["seeds"])
    assert re.fullmatch("[0-9a-f]{7,}", result["commit"]), "commit the code first, then run the benchmark with --save"
    assert result["command"].startswith("python3 scripts/host.py bench ") and " /" not in result["command"]
    assert path.read_text(encoding="utf-8") == results.written(result)


def test_no_two_tables_share_test_seeds():
    used = [
        seed
        for path in KEPT
        for result in [results.load(path.stem)]
        if result["split"] == "test"
        for seed in result["seeds"]
    ]
    assert len(used) == len(set(used))


def test_every_result_has_its_place_in_a_page():
    places = [found[2] for page in tables.PAGES for found in tables.BLOCK.finditer(page.read_text(encoding="utf-8"))]
    assert sorted(places) == [path.stem for path in KEPT]


def test_pages_say_what_the_results_say():
    assert tables.write_all(check=True) == [], "run: python3 scripts/host.py bench tables"


def test_a_page_with_another_figure_is_found():
    name = KEPT[0].stem
    begin = tables.BEGIN.format(name)
    page = tables.page_with_tables(f"Above\n{begin}\nold\n{tables.END}\nbelow\n")
    assert page.startswith(f"Above\n{begin}\n\n| ") and page.endswith(f"{tables.END}\nbelow\n")
    digit = re.search(r"(?<=\| )\d", page)
    wrong = page[: digit.start()] + str((int(digit[0]) + 1) % 10) + page[digit.end() :]
    assert tables.page_with_tables(wrong) == page != wrong


def figures_by_hand(text: str) -> int:
    """Tables with measured numbers that are not between the lines of a written block: Markdown's, or output of a benchmark."""
    text = tables.BLOCK.sub("", text)
    text = re.sub(f"<!-- written by: .*?{re.escape(tables.END)}", "", text, flags=re.S)  # those of a benchmark's own
    runs = re.findall(r"(?:^\|.*\n)+", text, re.M) + re.findall(r"^```\n(.*?)^```", text, re.M | re.S)
    number = re.compile(r"[*]*[-+]?\d+([.,]\d+)?[*]*( ?(%|dB|px|s|MB|GB|ms))?( \(.*\))?")
    cells = lambda line: [cell.strip() for cell in re.split(r"\||\s{2,}", line)]
    measured = lambda line: sum(bool(number.fullmatch(cell)) for cell in cells(line)) >= 2
    return sum(any(measured(line) for line in run.splitlines()) for run in runs)


def test_the_list_of_older_tables_is_complete_and_never_grows():
    text = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    listed = {name: int(count) for name, count in re.findall(r"^- `([\w/.]+)`: (\d+)\b", text.split(LIST)[1], re.M)}
    pages = [page for page in tables.PAGES if page.name != "compatibility.md"]  # a script writes it whole
    found = {str(page.relative_to(ROOT)): figures_by_hand(page.read_text(encoding="utf-8")) for page in pages}
    assert listed == {name: count for name, count in found.items() if count}
    assert sum(listed.values()) <= MOST
