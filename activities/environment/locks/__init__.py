"""Reading lock files: which packages they pin."""
