"""A map in a Compose file."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from apps.deployments.compose import values


class Section(BaseModel):
    """A map in the file. A key that is not a field is a mistake, unless it starts with `x-`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_extensions(cls, value: Any) -> Any:
        if value is None:
            return {}  # `deploy:` with nothing below it
        if not isinstance(value, dict):
            raise values.expected("a map", value)
        return {key: item for key, item in value.items() if key == "x-hive" or not key.startswith("x-")}
