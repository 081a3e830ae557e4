"""The codec of Save Video in an API prompt, in the forms that hosts from 0.30 on ask for.

0.30 has `codec` beside `format`; some later hosts also want a colour space; the latest have `codec` below `format`. Each
takes the inputs that it has and leaves the others.
"""

CODEC, BELOW_FORMAT = "codec", "format.codec"
COLOR_SPACE = f"{CODEC}.encoding.color_space"


def for_all_hosts(prompt):
    """Returns an API prompt whose Save Video nodes hold the codec in every form."""
    return {
        key: node | {"inputs": _all_forms(node["inputs"])} if is_save_video(node) else node
        for key, node in prompt.items()
    }


def for_this_host(prompt, info):
    """Returns an API prompt whose Save Video nodes hold only the inputs that this host's /object_info has."""
    from .schema import inputs_of

    def known(node):
        names = {entry.name for entry in inputs_of(info[node["class_type"]], node["inputs"])}
        return node | {"inputs": {name: value for name, value in node["inputs"].items() if name in names}}

    return {key: known(node) if is_save_video(node) else node for key, node in prompt.items()}


def is_save_video(node):
    return node["class_type"] == "SaveVideo"


def _all_forms(inputs):
    own = {name: value for name, value in inputs.items() if name.split(".")[0] == CODEC}
    extra = {COLOR_SPACE: "auto"} if own.get(f"{CODEC}.encoding") == "re-encode" else {}
    below = {name.replace(CODEC, BELOW_FORMAT, 1): value for name, value in own.items() if name != COLOR_SPACE}
    return inputs | extra | below
