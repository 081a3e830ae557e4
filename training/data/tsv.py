"""Tables of pictures: rows of a key, a tab and a base64 text, and the small YAML file that names them."""

import re
from pathlib import Path, PurePosixPath

ENTRY = re.compile(r"^([\w.-]+)\s*:(?:\s+(.*))?$")
KEY_BYTES = 1024  # a key and its tab are shorter than this


class Table:
    """A .tsv file by its keys; each read opens it again, so that processes may share it."""

    def __init__(self, file: Path):
        self.file, self.rows = file, {}
        offsets = self.listed_offsets()
        with open(file, "rb") as table:
            for number, (offset, head) in enumerate(heads(table, offsets), 1):
                key, tab, _ = head.partition(b"\t")
                if not tab:
                    raise ValueError(f"{file}: expected a key and a tab in row {number}, got neither: write it again.")
                if self.rows.setdefault(key.decode("utf-8", "replace"), offset) != offset:
                    raise ValueError(f"{file}: expected each key once, got {key!r} again in row {number}: remove one.")

    def listed_offsets(self) -> list[int] | None:
        """Where the rows begin by the .lineidx file beside the table, if there is one that is not older."""
        listing = self.file.with_suffix(".lineidx")
        if not listing.is_file() or listing.stat().st_mtime < self.file.stat().st_mtime:
            return None
        offsets = listing.read_text(encoding="ascii", errors="replace").split()
        size = self.file.stat().st_size
        if not all(text.isdigit() and int(text) < size for text in offsets):
            raise ValueError(f"{listing}: expected the places of rows, got something else: delete it.")
        return [int(text) for text in offsets]

    def cell(self, key: str) -> bytes:
        """The text after the first tab of a row, up to the next."""
        with open(self.file, "rb") as table:
            table.seek(self.rows[key])
            return table.readline().rstrip(b"\r\n").split(b"\t")[1]


def heads(table, offsets: list[int] | None):
    """The place and the first bytes of each row."""
    if offsets is None:
        offset = 0
        for line in table:
            if line.strip():
                yield offset, line[:KEY_BYTES]
            offset += len(line)
        return
    for offset in offsets:
        table.seek(offset)
        yield offset, table.readline(KEY_BYTES)


def read_yaml(text: str, name: str) -> dict[str, str | list[str]]:
    """Names with texts or lists of texts: all of YAML that these files use."""
    values: dict[str, str | list[str]] = {}
    last = None
    for number, line in enumerate(text.splitlines(), 1):
        line = re.sub(r"(^|\s)#.*$", "", line).rstrip()
        if not line or line == "---":
            continue
        found = ENTRY.match(line)
        if line.lstrip().startswith("- ") and last is not None and (isinstance(values[last], list) or not values[last]):
            values[last] = [*(values[last] or []), unquoted(line.lstrip()[2:])]
        elif found and not (found[2] or "").startswith(("{", "|", ">", "&", "*", "!")):
            last, value = found[1], (found[2] or "").strip()
            listed = value.startswith("[") and value.endswith("]")
            values[last] = [unquoted(v) for v in value[1:-1].split(",") if v.strip()] if listed else unquoted(value)
        else:
            raise ValueError(f"{name}: expected lines such as `img: train_images.tsv`, got line {number}: {line!r}.")
    return values


def unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def inside(folder: Path, name: str) -> Path:
    """A file named by a data file, which may not lie outside its folder."""
    parts = PurePosixPath(str(name).replace("\\", "/"))
    if not name or parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]:
        raise ValueError(f"{folder}: expected the name of a file in this folder, got {name!r}: move the file there.")
    return folder / parts
