"""The language of the system: every value that crosses between processes, validated by pydantic."""
