"""Warnings where an artist sees them: on the node in the real page, and in ComfyUI's log."""

import json
from pathlib import Path

import pytest
from opening import open_page

pytestmark = pytest.mark.long(seconds=60)

API = Path(__file__).resolve().parents[2] / "workflows" / "api"
SAMPLER = "12"
RUN = """async prompt => {
    const ended = new Promise(resolve => {
        for (const kind of ["execution_success", "execution_error"])
            app.api.addEventListener(kind, event => resolve([kind, event.detail.exception_message]), {once: true});
    });
    await app.loadApiJson(prompt, "test");
    return await app.queuePrompt(0) ? await ended : ["refused"];
}"""
TEXT = "id => app.graph.getNodeById(id).widgets?.find(one => one.type == 'progressText')?.value ?? null"


def dance(sampler, **settings):
    """The shipped dance up to another sampler node, which saves nothing but its latent."""
    prompt = json.loads((API / "joint_dance.json").read_text(encoding="utf-8"))
    given = {name: prompt[SAMPLER]["inputs"][name] for name in ("model", "positive", "negative", "seed", "denoise")}
    given["latent_image" if sampler == "KSampler" else "latent"] = prompt[SAMPLER]["inputs"]["latent"]
    needed = {name: node for name, node in prompt.items() if int(name) in {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 28, 29}}
    for name in ("1", "2", "11"):
        needed[name]["inputs"] |= {"width": 64, "height": 64, "frames": 1 if name == "2" else 4}
    end = {"class_type": "SaveLatent", "inputs": {"samples": [SAMPLER, 0], "filename_prefix": "test"}}
    return {**needed, SAMPLER: {"class_type": sampler, "inputs": given | settings}, "99": end}


def test_a_sampler_far_from_the_settings_of_the_file_says_so_on_the_node_until_it_is_mended(page, server):
    how = {"steps": 2, "cfg": 7.0, "sampler_name": "euler", "scheduler": "simple"}
    assert page.evaluate(RUN, dance("KSampler", **how))[0] == "execution_success"
    warning = page.evaluate(TEXT, SAMPLER)
    assert warning.startswith("The model's file recommends 2 steps and cfg 1; with cfg 7")
    assert warning in server.log.read_text(encoding="utf-8")
    assert page.evaluate(RUN, dance("KSampler", **how | {"cfg": 1.0}))[0] == "execution_success"
    assert "near those" in page.evaluate(TEXT, SAMPLER)


def test_recommended_settings_leave_the_node_without_a_text(page):
    auto = {"task": "all", "steps": 0, "cfg": 0.0, "sampler_name": "auto", "scheduler": "auto"}
    assert page.evaluate(RUN, dance("DuetSampleLatent", **auto))[0] == "execution_success"
    assert page.evaluate(TEXT, SAMPLER) is None


def test_the_text_is_for_the_page_that_started_the_run(page, server):
    how = {"steps": 2, "cfg": 7.0, "sampler_name": "euler", "scheduler": "simple"}
    other = open_page(page.context.browser, server.url)
    other.evaluate("prompt => app.loadApiJson(prompt, 'test')", dance("KSampler", **how))
    assert page.evaluate(RUN, dance("KSampler", **how))[0] == "execution_success"
    assert page.evaluate(TEXT, SAMPLER).startswith("The model's file recommends")
    other.wait_for_timeout(1000)
    assert other.evaluate(TEXT, SAMPLER) is None
    auto = {"task": "all", "steps": 0, "cfg": 0.0, "sampler_name": "auto", "scheduler": "auto"}
    assert other.evaluate(RUN, dance("DuetSampleLatent", **auto))[0] == "execution_success"
    assert other.evaluate(TEXT, SAMPLER) is None
    other.close()
