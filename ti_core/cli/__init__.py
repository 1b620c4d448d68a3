"""The command line `ti`: one file for each verb, options made from the config dataclasses."""
