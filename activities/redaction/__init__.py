"""Taking secrets out of text before it is kept or shown."""
