class TextualInversionLoaderMixin:
    def load_textual_inversion(
        self,
        pretrained_model_name_or_path: object,
        token: str | None = ...,
        *,
        tokenizer: object = ...,
        text_encoder: object = ...,
        local_files_only: bool = ...,
    ) -> None: ...
