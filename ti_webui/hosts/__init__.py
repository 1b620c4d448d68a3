"""Web UIs whose loaded checkpoint can be trained with, a package each."""
