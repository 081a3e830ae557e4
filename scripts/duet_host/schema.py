"""Reads /object_info the way the page does: which inputs a node has, which are widgets, in what order."""

from dataclasses import dataclass, field

COMBO, SLOT, ROWS, GROWING = (
    f"COMFY_{name}_V3" for name in ("DYNAMICCOMBO", "DYNAMICSLOT", "DYNAMICGROUP", "AUTOGROW")
)
SIMPLE = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
DRAWN = ("COLOR", "COLORS", "BOUNDING_BOX", "BOUNDING_BOXES", "CURVE", "RANGE")
WIDGETS = {*SIMPLE, *DRAWN, COMBO}
CONTROLS = ("fixed", "increment", "decrement", "randomize")
UPLOADS = ("image_upload", "animated_image_upload", "video_upload", "audio_upload", "file_upload")
ZERO = {"INT": 0, "FLOAT": 0.0, "STRING": "", "BOOLEAN": False}


@dataclass(frozen=True)
class Input:
    """One input of a node: its full name, its type and its options."""

    name: str
    type: str
    options: dict = field(default_factory=dict)
    is_widget: bool = False

    @property
    def has_control(self):
        """Whether a second value follows that says how the first one changes after each run."""
        flag = self.options.get("control_after_generate")
        # The page treats these two names as seeds even without the flag.
        return bool(flag) if flag is not None else self.type == "INT" and self.name in ("seed", "noise_seed")

    @property
    def has_upload(self):
        """Whether the value of an upload button follows; only lists of files have one."""
        return self.type == "COMBO" and any(self.options.get(key) for key in UPLOADS)

    @property
    def only_on_page(self):
        """Whether the page keeps the value, the number of a group's rows, and the server never sees it."""
        return self.type == ROWS

    @property
    def default(self):
        """The value the page starts with."""
        if "default" in self.options:
            return self.options["default"]
        choices = self.options.get("options") or []
        if choices:
            return choices[0]["key"] if isinstance(choices[0], dict) else choices[0]
        return ZERO.get(self.type)


def read_input(name, spec):
    """Returns the Input for one entry of /object_info."""
    options = spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}
    kind = options.get("widgetType") or spec[0]
    if isinstance(kind, list):  # the older way to write a COMBO
        kind, options = "COMBO", {**options, "options": kind}
    widget = (kind in WIDGETS or bool(options.get("socketless"))) and not options.get("forceInput")
    if not widget:
        kind = spec[0]
    if kind == "COMFY_MATCHTYPE_V3":
        kind = options.get("template", {}).get("allowed_types", "*")
    return Input(name, kind, options, widget)


def inputs_of(info, values):
    """Yields the inputs of a node in the page's order; `values` tell which branch of a dynamic input is open."""
    yield from _walk(info["input"], info.get("input_order") or {}, values, "")


def _walk(groups, order, values, prefix):
    for group in ("required", "optional"):
        specs = groups.get(group) or {}
        names = [name for name in dict.fromkeys((*order.get(group, ()), *specs)) if name in specs]
        for name in names:
            full, spec = prefix + name, specs[name]
            if isinstance(spec[0], str) and spec[0] in UNFOLD:
                yield from UNFOLD[spec[0]](full, spec[1], values)
                continue
            entry = read_input(full, spec)
            yield entry
            if entry.type == COMBO:
                yield from _walk(_branch(entry, values), {}, values, full + ".")


def _branch(entry, values):
    """Returns the inputs that the chosen option of a dynamic combo brings along."""
    chosen = values.get(entry.name, entry.default)
    return next((option["inputs"] for option in entry.options["options"] if option["key"] == chosen), {})


def _slot(name, options, values):
    """Yields a socket and, once something is linked to it, the inputs that it brings along."""
    yield Input(name, options.get("slotType", "*"), options)
    if name in values:
        yield from _walk(options.get("inputs") or {}, {}, values, name + ".")


def _rows(name, options, values):
    """Yields the number of rows and then the fields of each row."""
    used = (key[len(name) + 1 :].split(".")[0] for key in values if key.startswith(name + "."))
    default = max([options.get("min") or 0, *(int(row) + 1 for row in used if row.isdecimal())])
    yield Input(name, ROWS, {"default": default}, True)
    count = values.get(name)
    for row in range(count if isinstance(count, int) else default):
        yield from _walk(options["template"], {}, values, f"{name}.{row}.")


def _grown(name, options, values):
    """Yields the sockets of an input that grows: all in use, and the next free one."""
    template = options["template"]
    group = next(specs for specs in template["input"].values() if specs)
    spec = next(iter(group.values()))
    names = template.get("names") or [f"{template['prefix']}{i}" for i in range(template["max"])]
    last = max((i for i, inner in enumerate(names) if f"{name}.{inner}" in values), default=-1)
    for inner in names[: max(last + 2, template.get("min") or 0)]:
        entry = read_input(f"{name}.{inner}", spec)
        yield Input(entry.name, entry.type, entry.options)


UNFOLD = {GROWING: _grown, SLOT: _slot, ROWS: _rows}
