"""What every table of a policy file has in common."""

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """A table in a policy file."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
