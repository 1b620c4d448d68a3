current_unet: object | None
