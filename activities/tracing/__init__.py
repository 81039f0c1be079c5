"""Traces and measures of tasks: spans into the archive always, and by OTLP where that is configured."""
