"""What only `ti ui` has."""
