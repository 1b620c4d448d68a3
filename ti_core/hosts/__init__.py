"""The port to a program with a loaded model, and the hosts that come with the project."""
