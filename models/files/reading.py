"""Reading files of weights: a safetensors header is checked before anything is read, a pickle is read for its tensors only."""

import json
import struct
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

SAFE = (".safetensors", ".sft")
PICKLED = (".ckpt", ".pth", ".pt", ".bin")
NOTES = "duet_notes"  # a tensor of bytes, JSON: our metadata in a file that ComfyUI's own Save Model wrote
SAVED = "model.diffusion_model."  # what the names of our weights begin with there, beside a text encoder and a VAE
FP8 = (torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz)
MOST_TENSORS = 50_000  # a whole checkpoint with its text encoders has less than a tenth of it
SPARE = 1 << 20  # bytes that a pickle may hold beyond its size on the disk, and that notes may have


class Weights:
    """Names and shapes of a file; its tensors are read on demand."""

    def __init__(self, path: Path, shapes: dict[str, tuple], metadata: dict[str, str], read: Callable[[str], Tensor]):
        self.path, self.shapes, self.metadata, self.read = path, shapes, metadata, read

    @property
    def name(self) -> str:
        return self.path.name

    def pick(self, names: dict[str, str]) -> "Weights":
        """The weights of `names`, {new name: name here}, under their new names."""
        shapes = {new: self.shapes[old] for new, old in names.items()}
        return Weights(self.path, shapes, self.metadata, lambda new: self.read(names[new]))

    def without(self, prefix: str) -> "Weights":
        """The weights whose names begin with `prefix`, without it."""
        return self.pick({name[len(prefix) :]: name for name in self.shapes if name.startswith(prefix)})

    def state(self) -> dict[str, Tensor]:
        """Every tensor, each a floating one of real numbers."""
        return {name: self._sound(name, self.read(name)) for name in self.shapes}

    def _sound(self, name: str, value: Tensor) -> Tensor:
        value = value.detach()
        if not value.is_floating_point() or (value.element_size() == 1 and value.dtype not in FP8):
            raise ValueError(
                f"{self.name} stores {short(name)} as {str(value.dtype).removeprefix('torch.')}, but weights are floating "
                "numbers: the file is damaged or quantised. Use one in fp16, bf16, fp32 or fp8."
            )
        value = value.half() if value.dtype in FP8 else value  # fp8 holds no more than fp16
        # The extremes carry NaN along, and finding them is 12 times as fast as asking every number.
        if value.numel() and not all(torch.isfinite(extreme) for extreme in value.aminmax()):
            raise ValueError(
                f"{self.name} has NaN or infinite numbers in {short(name)}: its pictures would be black. "
                "Download it again, or take an earlier checkpoint of its training."
            )
        return value


def read_weights(path: str | Path) -> Weights:
    """Open a file by its ending; anything that cannot be read is refused with its name, its size and the cause."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"A file of weights was expected at {path.name}, but there is none: choose another.")
    if path.suffix.lower() in SAFE:
        return _read_safe(path)
    if path.suffix.lower() in PICKLED:
        return _read_pickled(path)
    raise ValueError(
        f"{path.name} ends in {path.suffix or 'nothing'}; files of weights end in {', '.join(SAFE + PICKLED)}."
    )


def _read_safe(path: Path) -> Weights:
    try:
        file = safe_open(path, framework="pt", device="cpu")
        names = list(file.keys())
        few = names[: MOST_TENSORS + 1]
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in few}
        metadata = dict(file.metadata() or {})
        notes = (
            dict(json.loads(bytes(file.get_tensor(NOTES).tolist()))) if shapes.get(NOTES, (SPARE,)) < (SPARE,) else None
        )
    except (SafetensorError, OSError, ValueError, TypeError, RuntimeError, KeyError) as error:
        raise _unreadable(path, cause_of_damage(path)) from error
    check_count(path, len(names))

    def read(name: str) -> Tensor:
        with _explained(path):
            return file.get_tensor(name)

    weights = Weights(path, shapes, metadata, read)
    if notes is None:
        return weights
    return Weights(path, (inner := weights.without(SAVED)).shapes, metadata | notes, inner.read)


def short(name: str) -> str:
    """A name from a file as a sentence can hold it."""
    return name if len(name) <= 100 and name.isprintable() else f"{name[:100]!r}..."


def check_count(path: Path, count: int) -> None:
    """Refuses a file of more tensors than any model has."""
    if count > MOST_TENSORS:
        raise _unreadable(path, f"it holds {count:,} tensors, where models have up to {MOST_TENSORS:,}")


def _read_pickled(path: Path) -> Weights:
    check_unpacked(path)
    try:
        found = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        cause = "it is empty" if not path.stat().st_size else "it is damaged or holds more than tensors"
        raise _unreadable(path, f"{cause}, and for safety nothing else is read from a pickle") from error
    while isinstance(found, dict) and not any(isinstance(value, Tensor) for value in found.values()):
        inner = [found[key] for key in ("state_dict", "module", "model") if isinstance(found.get(key), dict)]
        if not inner:
            break
        found = inner[0]
    found = found if isinstance(found, dict) else {}
    state = {name: value for name, value in found.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if not state:
        raise _unreadable(path, "it holds no named tensors")
    check_count(path, len(state))
    if any(value.layout != torch.strided or value.is_quantized for value in state.values()):
        raise _unreadable(path, "its tensors are sparse or quantised")
    if sum(value.nbytes for value in state.values()) > 2 * path.stat().st_size + SPARE:  # tied weights count twice
        raise _unreadable(path, "its tensors claim to be larger than the file")
    return Weights(path, {name: tuple(value.shape) for name, value in state.items()}, {}, state.__getitem__)


def check_unpacked(path: Path) -> None:
    """Refuses an archive that unpacks to far more than its size: torch.load would read all of it into memory."""
    try:
        with ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (BadZipFile, OSError, ValueError, NotImplementedError, struct.error):  # an older form, or none at all
        return
    if size > 2 * path.stat().st_size + SPARE:
        raise _unreadable(path, f"it is {path.stat().st_size:,} bytes large but unpacks to {size:,}")


def _unreadable(path: Path, cause: str) -> ValueError:
    return ValueError(
        f"{path.name} ({path.stat().st_size:,} bytes) cannot be read: {cause}. "
        "Download or save it again, as .safetensors if you can."
    )


@contextmanager
def _explained(path: Path):
    try:
        yield
    except (SafetensorError, OSError, RuntimeError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise _unreadable(path, "a tensor in it is damaged or of an unknown kind of number") from error


def cause_of_damage(path: Path) -> str:
    """Why safetensors refuses a file, from its first bytes."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            header = file.read(length) if length <= min(size, 10**8) else b""
    except OSError as error:
        return f"the system refuses it ({error.strerror})"
    if size == 0:
        return "it is empty"
    if not start.strip(b"\0"):
        return "it begins with zero bytes, as after a download or a save that did not finish"
    for sign, words in {
        b"PK": "it is a zip archive, such as a renamed .ckpt",
        b"\x80": "it is a pickle with another ending",
        b"<": "it is a web page",
        b"version ": "it is a Git LFS pointer in place of the weights",
    }.items():
        if start.startswith(sign):
            return words
    if size < 8 + length:
        return "it is not a safetensors file or was cut off inside its header"
    return _cause_in_header(header, size - 8 - length)


def _cause_in_header(header: bytes, rest: int) -> str:
    try:
        entries = json.loads(header)
        end = max(entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__")
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return "its header is damaged"
    if isinstance(end, int) and end != rest:
        return f"it holds {rest:,} bytes of weights where its header promises {end:,}"
    return "its header is damaged"
