"""Writes the pictures of the flow nodes from the exact flow of the stage.

No model of latent flow is used. python3 scripts/host.py exec python scripts/write_flow_pictures.py
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from einops import rearrange, repeat
from flow_shots import FRAMES, SIDE, SOME, Shot, coarse, drawn, greys, mosaic, wheels, wide, words
from pack.models.files.reading import read_weights
from pack.models.flow import estimate as flow_estimate
from pack.models.flow import files as flow_files
from pack.models.flow.drawing import max_motion_of, wheel
from pack.models.flow.fields import Field, composed, from_grid, moved, placed, scaled, zero_flow
from pack.models.lfdm.diffusion import FlowSchedule
from pack.models.lfdm.state import motion_of
from pack.models.unet.small_vae import SmallVAE
from write_pictures import ROOT, sheet

VAE = ROOT / "weights" / "vae" / "duet_vae_128.safetensors"
WAVE = words(("", "", "", "wave"))


def latent_pictures(wave: Shot, k: int) -> None:
    """What a flow latent is, on the exact flow written as one."""
    x, y, visible = (wave.state[0, :, k] + 1) / 2
    flow = from_grid(*(part[0] for part in motion_of(wave.state)))
    channels = [("comes from, x", x), ("comes from, y", y), ("is seen", visible)]
    sheet("DuetDecodeFlow", [[*((name, coarse(c)) for name, c in channels), ("its flow", coarse(wheels(flow)[k]))]])
    schedule, noise = FlowSchedule(), torch.randn(wave.state.shape, generator=torch.Generator().manual_seed(0))
    steps = [("step 1", 999), ("a later step", 550), ("last step", 0)]
    noisy = [(name, schedule.add_noise(wave.state, noise, torch.tensor([t]))[0, :, k]) for name, t in steps]
    shown = [(name, coarse(((s + 1) / 2).clamp(0, 1).movedim(0, -1))) for name, s in noisy]
    sheet("DuetEncodeStill", [[("picture, once", wave.first), *shown]])


def file_pictures(wave: Shot) -> None:
    """Files that were written and read again."""
    four = Field(*(part[[1, *SOME]] for part in wave.field))
    with TemporaryDirectory() as folder:
        files = [flow_files.write_flo(Path(folder, f"flow_{i:04}.flo"), flow) for i, flow in enumerate(four.offset)]
        found = flow_files.numbered_series(files[0])
        read = Field(*(torch.stack(part) for part in zip(*map(flow_files.read_flo, found), strict=True)))
        whole = {"to_picture": four.offset, "to_picture_valid": four.valid}
        archive = flow_files.read_npz(flow_files.write_npz(Path(folder, "flow.npz"), whole))
    numbered = [(file.name, picture) for file, picture in zip(found, wheels(read), strict=True)]
    kept = mosaic(wheels(Field(archive["to_picture"], archive["to_picture_valid"])))
    sheet("DuetLoadFlow", [[*numbered[:2], ("= one flow", mosaic(wheels(read)))], numbered[2:]])
    sheet("DuetSaveFlow", [[("flow.npz, all of it", kept), *numbered[:2]], [("or", None), *numbered[2:]]])


def tensor_pictures(dance: Shot, k: int) -> None:
    offset, visible = (part[k] for part in dance.next)
    pixels = [("dx in pixels", greys(offset[..., 0])), ("dy in pixels", greys(offset[..., 1]))]
    flow, valid = ("flow", wheels(dance.next)[k]), ("valid", visible)
    sheet("DuetTensorToFlow", [[*pixels, valid, flow]])
    sheet("DuetFlowToTensor", [[flow, *pixels, valid]])


def motion_pictures(orbit: Shot, k: int) -> None:
    """A moving camera: all of the picture moves."""
    field, pair = (Field(*(part[k : k + 1] for part in way)) for way in (orbit.field, orbit.next))
    frames = [("frame 1", orbit.clip.rgb[k]), ("frame 2", orbit.clip.rgb[k + 1])]
    over = drawn(field, orbit.clip.rgb[k : k + 1])[0]
    rows = [("colours", wheels(field)[0]), ("arrows", drawn(field)[0]), ("arrows over the clip", over)]
    sheet("DuetDrawFlow", [rows])
    there = flow_estimate.neighbours_flow(orbit.clip.rgb[k : k + 2])
    largest = max_motion_of(pair.offset)
    dis = wheel(there["forward"], there["forward_valid"], largest)[0]
    sheet("DuetEstimateFlow", [[*frames, ("flow by DIS", dis), ("exact flow", wheel(*pair, largest)[0])]])


def model_pictures(wave: Shot, driving: Shot, other: Shot, k: int) -> None:
    """Examples of the output of flow models, with exact flow of the stage."""
    flow = ("flow", wheels(wave.field)[k])
    clip = [(f"frame {i}", wave.clip.rgb[i]) for i in SOME]
    flows = [(f"flow {i}", wheels(wave.field)[i]) for i in SOME]
    sheet("DuetLoadFlowModel", [[("picture", wave.first), *flows], [("what shall happen", WAVE), *clip]])
    painted, holes = wave.moved()
    sheet("DuetAnimateStill", [[("picture", wave.first), flow, ("holes", holes[k]), ("clip", painted[k])]])
    rows = [[(f"driving {i}", driving.clip.rgb[i]) for i in (0, *SOME)]]
    rows += [[("another person", other.first), *((f"moved alike {i}", other.clip.rgb[i]) for i in SOME)]]
    sheet("DuetLoadFlowAutoencoder", rows)


@torch.no_grad()
def warp_pictures(dolly: Shot) -> None:
    """A picture and its latent moved by one flow; the latent is decoded for display."""
    vae, file = SmallVAE(), read_weights(VAE)
    vae.load_state_dict(file.pick({name: name for name in file.shapes}).state())
    sources = repeat(dolly.first, "h w c -> f c h w", f=len(dolly.clip.rgb))
    latent = vae.float().encode(sources[:1])
    picture, holes = moved(sources, dolly.field)
    field = scaled(dolly.field, tuple(latent.shape[-2:]))
    moved_latent, coarse_holes = moved(latent.expand(len(sources), -1, -1, -1), field)
    as_picture = lambda one: rearrange(one, "c h w -> h w c").clamp(0, 1)
    decoded = [as_picture(vae.decode(one)[0]) for one in (latent, moved_latent[-1:])]
    rows = [[("picture", dolly.first), ("moved", as_picture(picture[-1])), ("holes", holes[-1])]]
    rows += [[("latent, decoded", decoded[0]), ("moved", decoded[1]), ("holes", coarse(coarse_holes[-1]))]]
    sheet("DuetWarpByFlow", rows)


def both(left: Shot, right: Shot) -> tuple[torch.Tensor, torch.Tensor]:
    """Two pictures beside each other, moved by two composed flows, and the flow, (F, H, 2 H, 3) each."""
    size = (SIDE, 2 * SIDE)
    mask, flow = torch.zeros(1, *size), zero_flow(FRAMES, size, left.field.valid)
    mask[..., :SIDE] = 1
    for shot, x, its in ((left, 0, mask), (right, SIDE, 1 - mask)):
        over, here = placed(shot.field, (x, 0, SIDE, SIDE), size)
        flow = composed(over, flow, its, of_still=True, box_mask=here)
    beside = lambda name: torch.cat(
        [rearrange(getattr(shot.clip, name), "f h w c -> f c h w") for shot in (left, right)], -1
    )
    out, _ = moved(beside("rgb")[:1].expand(FRAMES, -1, -1, -1), flow, beside("scene_images"))
    return rearrange(out, "f c h w -> f h w c"), wheel(*flow, max_motion_of(left.field.offset))


def two_pictures(left: Shot, right: Shot, k: int) -> None:
    clip, flow = (wide(part[k]) for part in both(left, right))
    together = [("both flows in one", flow), ("both moved", clip)]
    rows = [
        [(word, shot.first), ("its flow", wheels(shot.field)[k]), last]
        for word, shot, last in zip(("wave", "squat"), (left, right), together, strict=True)
    ]
    sheet("DuetComposeFlows", rows)


def main() -> None:
    k = SOME[1]
    wave, squat = Shot.of(41, "wave"), Shot.of(52, "squat")
    driving, other = (Shot.of(12, "wave", character_seed=character) for character in (1, 2))
    latent_pictures(wave, k)
    file_pictures(wave)
    tensor_pictures(Shot.of(3, "dance"), 4)
    model_pictures(wave, driving, other, k)
    motion_pictures(Shot.of(3, "wave", camera="orbit"), 4)
    warp_pictures(Shot.of(9, "bow", camera="dolly"))
    two_pictures(wave, squat, k)


if __name__ == "__main__":
    main()
