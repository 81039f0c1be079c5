"""What GitHub tells by webhook: whether it is GitHub's word, what it means, and that none of it is lost."""
