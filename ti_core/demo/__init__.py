"""The demonstration: a bundled model learns a word, and a judge of pixels says how well."""
