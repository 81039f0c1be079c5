"""The gate: from evidence, policy and trust to what may happen to a patch without a person."""
