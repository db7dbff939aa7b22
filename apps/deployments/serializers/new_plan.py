"""What is sent for a plan to be drawn up: the Compose file, and what stands for its variables."""

from __future__ import annotations

import re
from typing import Any

from rest_framework import serializers

from apps.teams.strict import StrictSerializer

MAX_SOURCE = 256 * 1024
"""Characters of a Compose file."""

MAX_VARIABLES = 1000
MAX_VARIABLE = 32 * 1024
"""Characters of one value."""
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class NewPlanSerializer(StrictSerializer[Any]):
    source = serializers.CharField(  # type: ignore[assignment]  # hides Field.source, which is not used here
        allow_blank=True,  # an empty file is explained like every other fault of a file
        trim_whitespace=False,
        max_length=MAX_SOURCE,
        help_text="The Compose file, as text.",
    )
    name = serializers.CharField(default="", allow_blank=True, help_text="Left out: the file's own `name`.")
    file_name = serializers.CharField(default="compose.yaml", max_length=200, help_text="For messages.")
    variables = serializers.DictField(
        child=serializers.CharField(allow_blank=True, trim_whitespace=False, max_length=MAX_VARIABLE),
        default=dict,
        help_text='What `${NAME}` in the file stands for: {"TAG": "1.2"}. Not kept.',
    )

    def validate_variables(self, variables: dict[str, str]) -> dict[str, str]:
        if len(variables) > MAX_VARIABLES:
            raise serializers.ValidationError(
                f"{len(variables)} variables: at most {MAX_VARIABLES} are taken"
            )
        for name in variables:
            if not VARIABLE_NAME.fullmatch(name):
                raise serializers.ValidationError(
                    {name: "a variable's name has letters, digits and _, no digit first"}
                )
        return variables
