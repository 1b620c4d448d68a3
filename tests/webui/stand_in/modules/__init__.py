"""A stand-in for AUTOMATIC1111 and what Forge shares with it: the names that our hosts touch."""
