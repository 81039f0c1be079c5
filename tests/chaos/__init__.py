"""The kill test: tasks on a real installation whose parts are killed and stopped at random moments. `make chaos`."""
