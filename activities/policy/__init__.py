"""Three owners' files, read, checked and combined into what holds for one task."""
