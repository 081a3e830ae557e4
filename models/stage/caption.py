"""The sentence that describes a scene, built from a fixed vocabulary that small models can learn."""

from .body.character import BUILDS
from .objects import KINDS
from .scene import Scene
from .texture import PALETTE, PATTERNS, WALLS

VERBS = {
    "wave": "waves",
    "walk": "walks",
    "squat": "squats",
    "jump": "jumps",
    "turn": "turns",
    "dance": "dances",
    "kick": "kicks",
    "bow": "bows",
}
_PLAIN = "a an person in and trousers shirt room while passes behind front clay flat night sunset style at"

VOCABULARY = tuple(sorted({*_PLAIN.split(), *VERBS.values(), *BUILDS, *PALETTE, *PATTERNS, *WALLS, *KINDS}))


def describe(scene: Scene) -> str:
    """One sentence: who, in what, does what, where, and what passes."""
    who = scene.character
    shirt = _a(who.shirt, who.shirt_pattern, "shirt")
    trousers = _joined(who.trousers, who.trousers_pattern, "trousers")
    room = _a(scene.room.walls.colour, scene.room.walls.pattern, "room")
    words = f"a {who.build} person in {shirt} and {trousers} {VERBS[scene.action]} in {room}"
    for index, thing in enumerate(scene.objects[:2]):
        side = "in front" if index % 2 == 0 else "behind"
        words += f"{' while' if index == 0 else ' and'} {_a(thing.colour, thing.pattern, thing.kind)} passes {side}"
    ending = {"natural": "", "night": " at night", "sunset": " at sunset"}
    return words + ending.get(scene.style, f" in {scene.style} style")


def _a(*words: str) -> str:
    joined = _joined(*words)
    return f"{'an' if joined[0] in 'aeiou' else 'a'} {joined}"


def _joined(colour: str, pattern: str, noun: str) -> str:
    return " ".join(word for word in (colour, "" if pattern == "plain" else pattern, noun) if word)
