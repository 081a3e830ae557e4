"""ComfyUI's names that this pack uses, so that a ComfyUI which has changed them is named in one sentence, not in a trace.

`function(_, name)` is a call with one value by place and one by name; a bare name only has to be there. The list is
written by scripts/write_seam.py, and a test compares it with the code.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from inspect import signature

SEAM = {
    "comfy.cli_args": (
        "args",
        "args.disable_metadata",
    ),
    "comfy.clip_model": ("clip_preprocess(_, crop, size)",),
    "comfy.conds": (
        "CONDConstant(_)",
        "CONDCrossAttn(_)",
        "CONDNoiseShape(_)",
        "CONDRegular(_)",
        "CONDRegular.can_concat(_, _)",
        "CONDRegular.concat(_, _)",
        "CONDRegular.process_cond(_, _)",
        "CONDRegular.size(_)",
    ),
    "comfy.context_windows": (
        "ContextFuseMethod(_, _)",
        "ContextFuseMethods.LIST_STATIC",
        "IndexListContextHandler",
        "IndexListContextHandler._apply_freenoise(_, _, _, _)",
        "IndexListContextHandler.combine_context_window_results(_, _, _, _, _, _, _, _, _, _, _)",
        "IndexListContextHandler.evaluate_context_windows",
        "IndexListContextHandler.get_context_windows(_, _, _, _)",
        "IndexListContextHandler.get_resized_cond(_, _, _, _, _)",
        "IndexListContextHandler.should_use_context(_, _, _, _, _, _)",
        "IndexListContextWindow(_, context_overlap, dim, total_frames)",
        "apply_freenoise(_, _, _, _, _)",
        "create_sampler_sample_wrapper(_)",
        "get_matching_context_schedule(_)",
        "get_matching_fuse_method(_)",
    ),
    "comfy.controlnet": (
        "ControlBase.copy_to(_, _)",
        "ControlNet",
        "ControlNet.copy(_)",
        "ControlNet.get_control(_, _, _, _, _, _)",
    ),
    "comfy.k_diffusion.sampling": (
        "sample_dpm_2",
        "sample_dpm_2_ancestral",
        "sample_heun",
    ),
    "comfy.latent_formats": (
        "LatentFormat",
        "LatentFormat.process_in(_, _)",
        "LatentFormat.process_out(_, _)",
        "SD15",
        "Wan22",
    ),
    "comfy.ldm.common_dit": ("pad_to_patch_size(_, _)",),
    "comfy.ldm.modules.attention": ("optimized_attention",),
    "comfy.ldm.wan.model": (
        "Head(_, _, _, _, operation_settings)",
        "Head.forward(_, _, _)",
        "WanAttentionBlock",
        "WanModel",
        "WanModel._forward(_, _, _, _)",
        "WanT2VCrossAttention",
        "WanT2VCrossAttention.forward(_, _, _, _)",
    ),
    "comfy.lora": (
        "load_lora(_, _, log_missing)",
        "model_lora_keys_unet(_, _)",
    ),
    "comfy.lora_convert": ("convert_lora(_)",),
    "comfy.model_base": (
        "BaseModel",
        "BaseModel.concat_cond(_)",
        "BaseModel.extra_conds(_)",
        "BaseModel.get_dtype_inference(_)",
        "BaseModel.process_latent_in(_, _)",
        "ModelType",
        "ModelType.EPS",
        "ModelType.V_PREDICTION",
        "WAN22",
        "WAN22.extra_conds(_)",
        "WAN22.process_timestep",
    ),
    "comfy.model_management": (
        "archive_model_dtypes(_)",
        "cuda_device_context(_)",
        "current_loaded_models",
        "free_memory(_, _)",
        "get_free_memory(_)",
        "get_torch_device()",
        "in_training",
        "intermediate_device()",
        "is_device_cpu(_)",
        "load_models_gpu(_, force_full_load, force_patch_weights, memory_required)",
        "text_encoder_offload_device()",
        "throw_exception_if_processing_interrupted()",
        "unet_dtype(device, model_params, supported_dtypes, weight_dtype)",
        "unet_manual_cast(_, _)",
        "unet_manual_cast(_, _, _)",
        "unet_offload_device()",
        "vae_device()",
        "vae_offload_device()",
    ),
    "comfy.model_patcher": (
        "CoreModelPatcher",
        "ModelPatcher(_, load_device, offload_device)",
        "ModelPatcher.add_callback(_, _, _)",
        "ModelPatcher.add_callback_with_key(_, _, _, _)",
        "ModelPatcher.add_patches(_, _, _)",
        "ModelPatcher.add_patches(_, _, _, _)",
        "ModelPatcher.add_wrapper_with_key(_, _, _, _)",
        "ModelPatcher.apply_hooks(_, hooks)",
        "ModelPatcher.get_additional_models_with_key(_, _)",
        "ModelPatcher.get_attachment(_, _)",
        "ModelPatcher.get_clone_model_override(_)",
        "ModelPatcher.get_free_memory(_, _)",
        "ModelPatcher.get_injections(_, _)",
        "ModelPatcher.get_key_patches(_)",
        "ModelPatcher.get_key_patches(_, _)",
        "ModelPatcher.get_model_object(_, _)",
        "ModelPatcher.get_wrappers(_, _, _)",
        "ModelPatcher.is_dynamic(_)",
        "ModelPatcher.load(_)",
        "ModelPatcher.load(_, _, _)",
        "ModelPatcher.model_state_dict(_, _)",
        "ModelPatcher.prepare_hook_patches_current_keyframe(_, _, _, _)",
        "ModelPatcher.remove_wrappers_with_key(_, _, _)",
        "ModelPatcher.set_attachments(_, _, _)",
        "ModelPatcher.unpatch_model(_, unpatch_weights)",
    ),
    "comfy.model_sampling": (
        "CONST",
        "EPS",
        "IMG_TO_IMG_FLOW",
        "V_PREDICTION",
    ),
    "comfy.ops": (
        "CastWeightBiasOp",
        "cast_bias_weight(_, _, offloadable)",
        "pick_operations(_, _, load_device)",
        "run_every_op()",
        "uncast_bias_weight(_, _, _, _)",
    ),
    "comfy.patcher_extension": (
        "CallbacksMP",
        "CallbacksMP.ON_DETACH",
        "CallbacksMP.ON_REGISTER_ALL_HOOK_PATCHES",
        "WrapperExecutor",
        "WrapperExecutor.new_class_executor(_, _, _)",
        "WrappersMP",
        "WrappersMP.APPLY_MODEL",
        "WrappersMP.DIFFUSION_MODEL",
        "WrappersMP.OUTER_SAMPLE",
        "WrappersMP.PREDICT_NOISE",
        "WrappersMP.PREPARE_SAMPLING",
        "WrappersMP.SAMPLER_SAMPLE",
        "get_all_wrappers(_, _)",
    ),
    "comfy.samplers": (
        "CFGGuider(_)",
        "CFGGuider.inner_set_conds(_, _)",
        "CFGGuider.sample",
        "CFGGuider.set_cfg(_, _)",
        "KSAMPLER(_, _)",
        "KSampler.SAMPLERS",
        "KSampler.SCHEDULERS",
        "calculate_sigmas(_, _, _)",
        "sampler_object(_)",
        "sampling_function",
    ),
    "comfy.sd": ("CLIP(_)",),
    "comfy.supported_models": ("WAN22_T2V",),
    "comfy.supported_models_base": ("BASE",),
    "comfy.utils": (
        "PROGRESS_BAR_ENABLED",
        "ProgressBar(_)",
        "common_upscale(_, _, _, _, _)",
        "get_attr(_, _)",
        "repeat_to_batch_size(_, _)",
        "reshape_mask(_, _)",
        "set_attr_param(_, _, _)",
        "weight_dtype(_)",
    ),
    "comfy_api.input": (
        "CurveInput",
        "CurveInput.from_raw(_)",
    ),
    "comfy_api.latest": (
        "ComfyAPI()",
        "ComfyExtension",
        "Input",
        "Input.Video",
        "InputImpl",
        "InputImpl.VideoFromComponents",
        "InputImpl.VideoFromComponents.save_to(_, _)",
        "InputImpl.VideoFromFile",
        "Types",
        "Types.File3D(_)",
        "Types.File3D(_, _)",
        "Types.MESH(_, _, texture, uvs)",
        "Types.VideoComponents(audio, frame_rate, images)",
        "io",
        "io.AnyType.Input(_, tooltip)",
        "io.AnyType.Output(display_name, tooltip)",
        "io.Boolean.Input(_, advanced, default, optional, tooltip)",
        "io.Boolean.Output(display_name, tooltip)",
        "io.Clip.Input(_, optional, tooltip)",
        "io.Clip.Output(display_name, tooltip)",
        "io.ClipVision.Input(_, optional, tooltip)",
        "io.Combo.Input(_, advanced, default, optional, options, tooltip)",
        "io.Combo.Output(display_name, tooltip)",
        "io.ComfyNode",
        "io.ComfyNode.define_schema",
        "io.ComfyNode.execute",
        "io.ComfyNode.fingerprint_inputs",
        "io.ComfyNode.validate_inputs",
        "io.Conditioning.Input(_, tooltip)",
        "io.Conditioning.Output(display_name, tooltip)",
        "io.ControlNet.Output(display_name, tooltip)",
        "io.Custom(_)",
        "io.DynamicCombo.Input(_, options, tooltip)",
        "io.DynamicCombo.Option(_, _)",
        "io.File3DAny.Output(display_name, tooltip)",
        "io.File3DGLB.Output(display_name, tooltip)",
        "io.Float.Input(_, advanced, default, max, min, optional, round, step, tooltip)",
        "io.Float.Output(display_name, tooltip)",
        "io.Guider.Output(display_name, tooltip)",
        "io.Hidden.extra_pnginfo",
        "io.Hidden.prompt",
        "io.Image",
        "io.Image.Input(_, optional, tooltip)",
        "io.Image.Output(display_name, is_output_list, tooltip)",
        "io.Input",
        "io.Int.Input(_, advanced, control_after_generate, default, max, min, optional, step, tooltip)",
        "io.Int.Output(display_name, is_output_list, tooltip)",
        "io.Latent",
        "io.Latent.Input(_, tooltip)",
        "io.Latent.Output(display_name, tooltip)",
        "io.Load3DCamera.Input(_, optional, tooltip)",
        "io.Mask",
        "io.Mask.Input(_, optional, tooltip)",
        "io.Mask.Output(display_name, is_output_list, tooltip)",
        "io.MatchType.Input(_, _, optional, tooltip)",
        "io.MatchType.Output(_, display_name, tooltip)",
        "io.MatchType.Template(_, _)",
        "io.Mesh.Output(display_name, tooltip)",
        "io.Model.Input(_, tooltip)",
        "io.Model.Output(display_name, tooltip)",
        "io.MultiType.Input(_, optional, tooltip, types)",
        "io.NodeOutput(_, ui)",
        "io.NodeOutput(_, _, _, _, _, _, _, _, _, _, _, _, _, _)",
        "io.NodeOutput(_, _, ui)",
        "io.NodeOutput(_, _, _, ui)",
        "io.NodeOutput(_, _, _, _)",
        "io.NodeOutput(_, _, _, _, _)",
        "io.NodeOutput(_, _, _, _, _, _, ui)",
        "io.NodeOutput(_, _, _, _, _, _, _)",
        "io.NodeReplace(input_mapping, new_node_id, old_node_id, old_widget_ids, output_mapping)",
        "io.Noise.Output(display_name, tooltip)",
        "io.Sampler.Output(display_name, tooltip)",
        "io.Schema(category, description, display_name, hidden, inputs, is_input_list, is_output_node, node_id, outputs, search_aliases)",
        "io.Sigmas.Output(display_name, tooltip)",
        "io.String.Input(_, advanced, default, dynamic_prompts, multiline, optional, placeholder, tooltip)",
        "io.String.Output(display_name, tooltip)",
        "io.Vae.Input(_, optional, tooltip)",
        "io.Video",
        "io.Video.Input(_, optional, tooltip)",
        "io.Video.Output(display_name, tooltip)",
    ),
    "comfy_execution.graph_utils": ("ExecutionBlocker(_)",),
    "comfy_execution.utils": ("get_executing_context()",),
    "folder_paths": (
        "add_model_folder_path(_, _)",
        "annotated_filepath(_)",
        "exists_annotated_filepath(_)",
        "folder_names_and_paths",
        "get_annotated_filepath(_)",
        "get_filename_list(_)",
        "get_folder_paths(_)",
        "get_full_path(_, _)",
        "get_input_directory()",
        "get_output_directory()",
        "get_save_image_path(_, _)",
        "models_dir",
        "supported_pt_extensions",
    ),
    "latent_preview": ("prepare_callback(_, _)",),
    "node_helpers": ("conditioning_set_values(_, _)",),
    "nodes": (
        "NODE_CLASS_MAPPINGS.items()",
        "NODE_DISPLAY_NAME_MAPPINGS.get(_, _)",
        "common_ksampler",
    ),
}
NAMED = 3  # names in the sentence; the log has them all


def changed_names() -> list[str]:
    """What this ComfyUI lacks of the list, or takes other arguments for."""
    fits("comfy_api.latest", "io")  # before comfy_api.input, which imports it and is imported by it
    return [f"{module}.{entry}" for module, entries in SEAM.items() for entry in entries if not fits(module, entry)]


def fits(module: str, entry: str) -> bool:
    """Whether a name is there and can be called in the form of the list."""
    name, called, form = entry.partition("(")
    try:
        found = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return False
    return not called or accepts(found, form.rstrip(")"))


def accepts(function, form: str) -> bool:
    """Whether a function takes "_, name": one value by place and one by name."""
    words = re.findall(r"\w+", form)
    try:
        parameters = signature(function)
    except (TypeError, ValueError):  # written in C, or without a signature to read
        return True
    try:
        parameters.bind(*(None for word in words if word == "_"), **{word: None for word in words if word != "_"})
    except TypeError:
        return False
    return True


@contextmanager
def named_changes() -> Iterator[None]:
    """Around the imports of the pack: a failure is told as a changed ComfyUI where it is one, else with its trace."""
    changed = changed_names()
    try:
        yield
    except Exception as error:
        if not changed or not isinstance(error, (ImportError, AttributeError, TypeError)):
            logging.exception("Duet could not start.")
            raise
        raise ImportError(f"{sentence(changed)} Update Duet.") from None
    if changed:
        logging.warning("%s Nodes that use it may fail: update Duet. All: %s", sentence(changed), ", ".join(changed))


def sentence(changed: list[str]) -> str:
    from comfyui_version import __version__

    more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
    return f"ComfyUI {__version__} has changed what Duet uses: {', '.join(changed[:NAMED])}{more}."
