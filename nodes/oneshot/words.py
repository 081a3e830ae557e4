"""Words of a fixed vocabulary as conditioning."""

from comfy_api.latest import io


class EncodeStageWords(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEncodeStageWords",
            display_name="Encode Stage Words",
            category="Duet/conditioning",
            description="Turns a sentence into conditioning for a small model that knows a few dozen words and needs no "
            "text encoder, such as duet_words_128. An unknown word is refused with the list of those that it knows.",
            search_aliases=["prompt", "CLIP Text Encode", "caption", "vocabulary", "text encoder", "demo model"],
            inputs=[
                io.Model.Input("model", tooltip="The model whose words are used, from Load Video Model."),
                io.String.Input(
                    "text", default="a tall person in a red shirt and blue trousers dances in a green room",
                    multiline=True, dynamic_prompts=True,
                    tooltip="What is to be seen, as Render Stage Clip writes its captions. Leave it empty for the negative.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(
                    display_name="conditioning", tooltip="The words, for Encode Depth Condition and KSampler.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, model, text) -> io.NodeOutput:
        from ...models.unet.words import word_tokens
        from ..host.unet.model import words_of

        return io.NodeOutput([[word_tokens(text, words_of(model))[None], {}]])
