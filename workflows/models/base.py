"""What all models share: immutable values that old and new versions of the program can both read."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """An immutable value. New fields need defaults, since stored histories are replayed by newer code."""

    model_config = ConfigDict(frozen=True, extra="ignore")
