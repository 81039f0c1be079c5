"""What an agent is told before it starts, and where each part came from."""
