"""The sub-tabs of the panel, one file each: `build(studio)` fills a gr.Tab that is open."""
