"""Looking deeper than one run of each check: again, which lines were run, and whether a test notices a fault."""
