"""How each agent's command line is started, read and judged."""
