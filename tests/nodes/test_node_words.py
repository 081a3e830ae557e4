"""The words of both node packs: no riddle as a name, one type for a name, one word for a choice, plain tooltips."""

import asyncio
import importlib
import re
from collections import defaultdict

import pack
import pytest
from words import BARE, OPENINGS, SAME_OPTION, complaints
from write_locale import inputs_of


def schemas(extension):
    asyncio.run(extension.on_load())
    return [node.GET_SCHEMA() for node in asyncio.run(extension.get_node_list())]


SCHEMAS = schemas(asyncio.run(pack.comfy_entrypoint()))
SCHEMAS += schemas(asyncio.run(importlib.import_module("pack.training").comfy_entrypoint()))


def flat(inputs):
    """All inputs of a schema, those of the options of a dynamic combo too."""
    return [one for _, one in inputs_of(inputs)]


def options(one):
    return [option if isinstance(option, str) else option.key for option in getattr(one, "options", None) or ()]


by_id = pytest.mark.parametrize("schema", SCHEMAS, ids=lambda s: s.node_id)


@by_id
def test_texts(schema):
    texts = {"name": schema.display_name, "description": schema.description}
    for one in (*flat(schema.inputs), *schema.outputs):
        texts[one.display_name or one.id] = " ".join([one.tooltip or "", *options(one)])
    assert not [line for where, text in texts.items() for line in complaints(text, f"{schema.node_id} {where}")]
    openings = [one.id for one in flat(schema.inputs) if re.match(OPENINGS, one.tooltip or "")]
    assert not openings, "an input that belongs to one option goes under that option"


@by_id
def test_names_of_inputs_and_outputs_need_no_explanation(schema):
    names = {one.id for one in flat(schema.inputs)} | {one.display_name for one in schema.outputs}
    assert not names & BARE


def test_a_name_has_one_type():
    """An input name means the same wherever it stands, so its type is the same too."""
    found = defaultdict(lambda: defaultdict(list))
    for schema in SCHEMAS:
        for one in flat(schema.inputs):
            found[one.id][one.get_io_type()].append(schema.node_id)
    pictures = {"IMAGE", "DA3_GEOMETRY", "MOGE_GEOMETRY", "LATENT", "COMFY_MATCHTYPE_V3"}
    choices = {"COMBO", "COMFY_DYNAMICCOMBO_V3"}
    several = {
        name: dict(types)
        for name, types in found.items()
        if len(types) > 1 and not any(set(",".join(types).split(",")) <= alike for alike in (pictures, choices))
    }
    assert not several


def test_a_choice_has_one_word():
    found = [
        (schema.node_id, one.id, word)
        for schema in SCHEMAS
        for one in flat(schema.inputs)
        for words in SAME_OPTION.values()
        for word in words
        if word in options(one)
    ]
    assert not found


def test_options_of_one_input_are_the_same_everywhere():
    """Two nodes whose input has one name offer the same choices, or one offers some of the other's."""
    found = defaultdict(list)
    for schema in SCHEMAS:
        for one in flat(schema.inputs):
            if options(one) and not one.id.endswith(("_name", "_path")):
                found[one.id].append((schema.node_id, set(options(one))))
    for name, uses in found.items():
        largest = max((choices for _, choices in uses), key=len)
        assert all(choices <= largest for _, choices in uses), (name, uses)
