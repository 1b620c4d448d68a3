"""The door for AUTOMATIC1111 and Forge, which run every file of this folder at start.

Our packages are imported here and now; later the extension's folder is off the path.
"""

from modules import script_callbacks

from ti_webui import webui_extension as door

script_callbacks.on_after_component(door.notice)
script_callbacks.on_ui_settings(door.add_settings)
script_callbacks.on_ui_tabs(door.tabs)
script_callbacks.on_app_started(door.add_routes)
