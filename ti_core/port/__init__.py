"""What the trainer asks of the program that lends it a model: the floor of every host."""
