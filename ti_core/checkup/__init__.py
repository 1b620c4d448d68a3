"""What is wrong with a dataset: each kind of rule in a file of its own."""
