"""The environment a repository needs: made once from its lock files, read-only ever after."""
