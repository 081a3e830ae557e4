"""The table of templates: title, API file, what it needs, how long it takes."""

HEAD = """# Templates

In ComfyUI choose *Templates* and then this pack. Times are multiples of the first template's, which takes about 10 seconds on two
CPU cores; templates that begin with your clip were measured with 3 seconds at 640 pixels.

| template | API file | needs | time |
| --- | --- | --- | --- |
"""
FOOT = """
To run one without the page, send its API file to a running ComfyUI: `POST /prompt` with `{"prompt": <the file>}`.
"""


def table(descriptions: dict) -> str:
    """The page workflows/README.md."""
    rows = [f"| {d.title} | [{name}](api/{name}.json) | {d.needs} | {d.time} |\n" for name, d in descriptions.items()]
    return HEAD + "".join(rows) + FOOT


def read_table(text: str) -> dict[str, str]:
    """Titles by API name, as the table has them."""
    rows = [line.split("|") for line in text.splitlines() if "(api/" in line]
    return {row[2].split("](api/")[1].split(".json")[0]: row[1].strip() for row in rows}
