"""The words that no text and no name may contain, and what they say instead; docs/glossary.md is the positive list."""

import re

# What no user text may say, and what it says instead.
AVOIDED = {
    r"\b(as it is|as given|as in file|as they are given)\b": "auto or unchanged",
    r"\b(find|finds|found) out\b": "detect",
    r"\bout by itself\b": "automatically",
    r"\bspeaks?( to)?\b": "works with",
    r"\b(tells?|told)\b": "encodes, names, shows, is given",
    r"\b(knows?|knew)\b": "was trained on, contains, is known",
    r"\b(hears?|listens?)\b": "reads",
    r"\b(believes|thinks|dreams?|wants)\b": "a model has no mind: say what is computed or needed",
    r"\b(nobody|somebody)\b": "no person, a person",
    r"\basks? (the|a) model\b": "evaluates the model",
    r"\b(stands?|stood|standing|passes|passed|passing) before\b": "in front of",
    r"\bbefore the (person|figure|dancer|camera|scene)\b": "in front of",
    r"\bshall\b": "should, or the present tense",
    r"\b(with|without|in) a word\b": "a warning, silently",
    r"\b(at birth|newborn|was born)\b": "when it is created, zero-initialised",
    r"\banew\b": "again",
    r"\bgoes before\b": "takes priority",
    r"\bin other words\b": "with another prompt",
    r"\bput into words\b": "described",
    r"\bhow (it|they|each) (is|are) told\b": "given",
    r"\bleft the\b.*\bthat go in\b": "name the columns",
    r"\bspoilt?\b": "degraded",
    r"\bdwells?\b": "is",
    r"\bis shown the\b": "is given",
    r"\bout of mind\b": "",
    r"\byoung\b": "briefly trained",
}
OPENINGS = r"^(For [a-z -]+:|Only for |Not used by )"  # a tooltip that belongs to one option belongs under that option

# Words that no public name may contain between its underscores.
NAME_PARTS = {
    "told", "tell", "tells", "speak", "speaks", "seen", "made", "least", "longest", "goes", "hears", "knows", "nobody",
    "somebody", "born", "grown", "human", "fps", "anew",
}  # fmt: skip
# Inputs and outputs that would mean different things in different nodes: they need a second word.
BARE = {
    "least", "same", "made", "over", "below", "longest", "keep", "place", "way", "source", "mode", "near", "far", "overlap",
    "start", "end", "first", "last", "front", "back", "reference", "other", "human", "plate", "figure", "picture",
    "brightness", "grow", "smooth", "threshold", "curve", "behind", "amount", "fps", "space", "valid", "holes", "changed",
    "moved", "video", "to", "code", "adapters", "margin", "low", "high", "nearer", "error_picture",
}  # fmt: skip
SAME_OPTION = {
    "auto": (
        "as it is",
        "as in file",
        "automatic",
        "detect",
        "from seed",
        "in the model file",
        "labels of the model",
        "default",
    ),
    "unchanged": ("as given", "keep as is", "raw"),
    "near is white": ("near is large", "white is near"),
    "far is white": ("far is large", "near is black", "white is far"),
    "color wheel": ("colour wheel",),
    "to next frame": ("to next", "forward"),
    "to previous frame": ("to previous", "backward"),
    "to still": ("to picture",),
}


def complaints(text: str, where: str) -> list[str]:
    """Each avoided word in a text, with what to write in its place."""
    found = []
    for pattern, instead in AVOIDED.items():
        for match in re.finditer(pattern, text, re.IGNORECASE):
            around = text[max(0, match.start() - 30) : match.end() + 30].replace("\n", " ")
            found.append(f"{where}: '{match.group()}' ({instead}) in ...{around}...")
    return found
