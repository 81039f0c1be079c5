"""Where people ask for work and decide about it in words: Slack."""
