"""Previews through the host's own callback: of a pair both halves, of one modality only that one."""

import comfy.utils
import latent_preview
import pytest
import torch
from comfy.cli_args import LatentPreviewMethod
from pack.nodes.pair.modality import SelectModality
from tiny.model import FRAMES, ksampler, latent, tiny_model


@pytest.fixture
def shown(monkeypatch):
    """The pictures that the page gets while a model samples."""
    monkeypatch.setattr(latent_preview.args, "preview_method", LatentPreviewMethod.Latent2RGB)
    pictures = []
    hook = lambda value, total, preview, node_id=None: pictures.append(preview[1])
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", hook)
    return pictures


def drawn(model, frames: torch.Tensor):
    """The host's picture of (1, 4, h, w)."""
    form = model.model.latent_format
    return latent_preview.Latent2RGBPreviewer(form.latent_rgb_factors).decode_latent_to_preview(frames)


def test_previews_follow_the_modality(shown):
    """The frames beside each other were 0 and F / 2 of the one modality."""
    model = tiny_model()
    for which in ("video only", "video and depth", "depth only", "video and depth"):
        chosen, m = SelectModality.execute(model, which)[0], 2 if which == "video and depth" else 1
        out = ksampler(chosen, pair=latent(m * FRAMES), steps=2)
        out = model.model.process_latent_in(out)
        assert [picture.size for picture in shown] == [(8 * m, 8)] * 2
        assert shown[-1].tobytes() == drawn(model, torch.cat([half[:1] for half in out.chunk(m)], -1)).tobytes()
        shown.clear()


def test_a_run_that_fails_leaves_previews_as_they_were(shown):
    model = tiny_model()
    wrong = latent(FRAMES)
    wrong["samples"][0, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        ksampler(SelectModality.execute(model, "depth only")[0], pair=wrong)
    assert model.model.latent_format.latent_rgb_factors_reshape(torch.zeros(6, 4, 8, 12)).shape == (1, 4, 8, 24)
