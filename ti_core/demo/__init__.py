"""The world of the bundled demo model: pictures drawn from words, and a judge of such pictures."""
