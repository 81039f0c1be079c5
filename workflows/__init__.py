"""What happens, in what order: deterministic workflows and the models that cross a boundary."""
