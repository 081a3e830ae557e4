"""What was found in a file, for the artist who loads it."""

from dataclasses import dataclass

from .family import ASIDE


@dataclass(frozen=True)
class Report:
    family: str
    found: int  # weights taken from the file
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()  # weights left aside
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """One paragraph for artists."""
        sentences = [f"{self.family}: {self.found} weights found, {len(self.missing)} missing."]
        if self.unexpected:
            sentences.append(f"Left aside: {counted(self.unexpected)}.")
        return " ".join([*sentences, *self.notes])


def counted(names: tuple[str, ...]) -> str:
    """How many weights of each known family there are: "248 of the VAE, 197 of the text encoder"."""
    counts: dict[str, int] = {}
    for name in names:
        words = next((words for prefix, words in ASIDE.items() if name.startswith(prefix)), "others")
        counts[words] = counts.get(words, 0) + 1
    return ", ".join(f"{count} of {words}" for words, count in counts.items())
