"""What only `ti ui` has: a model that the page chooses, and images made with it."""
