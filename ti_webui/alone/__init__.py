"""What only `ti ui` has: a model that the page chooses, and pictures made with it."""
