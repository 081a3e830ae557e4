"""The values of a node's widgets, as UI workflows keep them."""

from .schema import CONTROLS, inputs_of


def widget_values(node, schema):
    """Returns the values of all widgets by name, with defaults for those the file does not have."""
    saved = node.get("widgets_values") or []
    slots = node.get("inputs") or []
    # What a dynamic socket brings along is there only while the socket is linked.
    known = {slot["name"]: None for slot in slots if slot.get("link") is not None and "widget" not in slot}
    if isinstance(saved, dict):
        known |= saved
        entries = [(e, saved.get(e.name, e.default)) for e in inputs_of(schema, known) if e.is_widget]
    else:
        entries = _paired(inputs_of(schema, known), known, list(saved))
    return {entry.name: wrapped(value) for entry, value in entries if not entry.only_on_page}


def _paired(entries, known, saved):
    """Yields each widget with its value; the walk that gives `entries` looks at `known` for what is open."""
    for entry in entries:
        if not entry.is_widget:
            continue
        known[entry.name] = value = saved.pop(0) if saved else entry.default
        if saved and entry.has_control and saved[0] in CONTROLS:
            saved.pop(0)
        if saved and entry.has_upload and saved[0] in ("image", "", None):
            saved.pop(0)
        yield entry, value


def wrapped(value):
    """Marks a list as a value: a bare list of two would be a link to the server."""
    return {"__value__": value} if isinstance(value, list) else value
