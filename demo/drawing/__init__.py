"""The world of the demo model, drawn: images of scenes and sentences about them."""
