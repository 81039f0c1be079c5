"""The gateway: authenticates people, admits tasks, signs decisions, answers questions."""
