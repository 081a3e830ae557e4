"""Seconds of a step, arithmetic a second and memory, on a device: in ComfyUI where it is, else in PyTorch alone.

Values are random and small, so that nothing overflows; how long a step takes hardly depends on them.
"""

import gc
import statistics
import time
from pathlib import Path

import torch

from .networks import builder, config_of, count, numbers, step_of
from .peaks import peak_of
from .shapes import Shape

WARM = 2  # steps that are not counted
SCALE = 0.02  # of weights
TWICE = 2  # weights as they are made and as they lie on the device


def about(device: str) -> dict:
    """The device and what computes on it; a device that is not there is refused."""
    there = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available, "cpu": lambda: True}
    if not there[device]():
        raise ValueError(f"PyTorch {torch.__version__} finds no device {device} here: choose another --device.")
    found = {"kind": device, "name": device, "torch": torch.__version__}
    if device == "cuda":
        card = torch.cuda.get_device_properties(0)
        found |= {
            "name": torch.cuda.get_device_name(0),
            "memory_gb": card.total_memory / 1e9,
            "cuda": torch.version.cuda,
        }
    return found


def measure(shape: Shape, device: str, runs: int, host: bool) -> dict:
    """The row of a shape."""
    counted = count(shape)
    refuse_too_large(counted["weights"], shape, device)
    empty(device)
    torch.manual_seed(0)
    seconds, dtype, weights = (in_comfyui if host else in_pytorch)(shape, device, runs)
    middle = statistics.median(seconds)
    row = counted | {
        "runs_in": "ComfyUI" if host else "PyTorch",
        "dtype": dtype,
        "weights_gb": weights / 1e9,
        "step_s": middle,
        "slowest_s": max(seconds),
        "runs": len(seconds),
        "tflop_a_second": counted["tflop"] / middle,
        "most_gb": torch.cuda.max_memory_allocated() / 1e9 if device == "cuda" else None,
    }
    peak = peak_of(about(device)["name"], dtype)
    return row | {"peak": peak, "mfu": None if peak is None else row["tflop_a_second"] / peak}


def refuse_too_large(weights: int, shape: Shape, device: str) -> None:
    """On a CPU the system would end the whole process; GPUs refuse by themselves."""
    free, needed = free_bytes(), TWICE * 4 * weights
    if device == "cpu" and free is not None and needed > free:
        raise ValueError(
            f"{shape.what} needs {needed / 1e9:.0f} GB of memory on a CPU, and {free / 1e9:.0f} GB are free: run it on a GPU."
        )


def free_bytes() -> int | None:
    """Memory that programs can get, as Linux counts it."""
    file = Path("/proc/meminfo")
    if not file.exists():
        return None
    line = next(line for line in file.read_text().splitlines() if line.startswith("MemAvailable"))
    return 1024 * int(line.split()[1])


def empty(device: str) -> None:
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def wait_for(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()


def in_pytorch(shape: Shape, device: str, runs: int) -> tuple[list[float], str, int]:
    """Seconds of each run, the numbers it computed in, and bytes of the weights."""
    dtype = torch.float32 if device == "cpu" else getattr(torch, shape.weights)
    build = builder(shape)
    with numbers(device, dtype):
        network = build()
        step, seconds = step_of(shape, network), []
        for _ in range(WARM + runs):
            wait_for(device)
            begin = time.perf_counter()
            step()
            wait_for(device)
            seconds.append(time.perf_counter() - begin)
    return seconds[WARM:], name_of(dtype), sum(value.nbytes for value in network.parameters())


def in_comfyui(shape: Shape, device: str, runs: int) -> tuple[list[float], str, int]:
    """The same by ComfyUI's own sampler, with the numbers and the memory that it chooses."""
    import comfy.model_management as memory
    import comfy.sample
    from pack.nodes.host.pair.latent import empty_latent

    model = native(shape, device)
    latent = empty_latent(model, shape.width, shape.height, shape.frames, 1)["samples"]
    prompt = [[*conditioning(shape, model.model)]]
    marks = []

    def mark(*_) -> None:
        wait_for(device)
        marks.append(time.perf_counter())

    with torch.inference_mode():
        noise = comfy.sample.prepare_noise(latent, 0)
        how = (1 + WARM + runs, shape.cfg, "euler", "simple")
        try:
            comfy.sample.sample(model, noise, *how, prompt, prompt, latent, callback=mark, disable_pbar=True, seed=0)
        except ValueError:  # random weights may end in infinity, which the pack refuses after the last step
            if len(marks) < how[0]:
                raise
    weights, dtype = sum(value.nbytes for value in model.model.parameters()), model.model.get_dtype_inference()
    memory.unload_all_models()
    seconds = [end - begin for begin, end in zip(marks, marks[1:], strict=False)]
    return seconds[WARM:], name_of(dtype), weights


def native(shape: Shape, device: str):
    """The MODEL that the shape's loader would make of a file."""
    config, state = config_of(shape), random_state(shape, device)
    if shape.family == "wan":
        from dataclasses import asdict

        from pack.nodes.host.wan.model import native_wan_pair

        made = {name: value for name, value in asdict(config).items() if name != "modalities"}
        return native_wan_pair(made, state, disable_dynamic=True)
    if shape.family == "flow":
        from pack.nodes.host.lfdm.model import native_flow_model

        return native_flow_model(config, state, disable_dynamic=True)
    from pack.nodes.host.unet.model import native_model

    return native_model(config, state, disable_dynamic=True)


def random_state(shape: Shape, device: str) -> dict[str, torch.Tensor]:
    """Random weights as a file of the release would have them; drawn on the device, which is faster, and kept on the CPU."""
    build = builder(shape)
    with torch.device("meta"):
        shapes = build().state_dict()
    generator, state = torch.Generator(device).manual_seed(0), {}
    for name, like in shapes.items():
        if like.is_floating_point():
            drawn = torch.empty(like.shape, dtype=getattr(torch, shape.weights), device=device)
            state[name] = drawn.normal_(0, SCALE, generator=generator).cpu()
        else:
            state[name] = torch.zeros(like.shape, dtype=like.dtype)
    return state


def conditioning(shape: Shape, model) -> tuple[torch.Tensor, dict]:
    """Tokens of a prompt and what the pack's nodes put beside them."""
    if shape.family == "wan":
        from pack.nodes.host.wan.boundary import SHOWN

        return torch.randn(2, shape.tokens, model.diffusion_model.text_dim), {SHOWN: "depth"}
    if shape.family == "flow":
        from pack.nodes.host.lfdm.boundary import STILL

        text = torch.randn(1, model.flow.text_width)
        still = torch.randn(1, model.flow.feature_width, shape.height // 4, shape.width // 4)
        return text[:, None], {"pooled_output": text, STILL: still}
    from pack.nodes.host.pair.conditioning import BACKGROUND

    width = model.video.token_width or model.video.cross_attention_dim
    scene = torch.randn(1, 4, shape.height // 8, shape.width // 8)
    return torch.randn(1, shape.tokens, width), {} if model.video.background == "none" else {BACKGROUND: scene}


def name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
