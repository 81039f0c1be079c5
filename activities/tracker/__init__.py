"""Where work is planned: Linear."""
