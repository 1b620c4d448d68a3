"""What the trainer needs from a program that has a model loaded: the floor of every host."""
