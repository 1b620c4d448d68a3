"""The world of the demo model, drawn: pictures of scenes and sentences about them."""
