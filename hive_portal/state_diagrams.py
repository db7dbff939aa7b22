"""`docs/states.md`: every state machine of the Hive, drawn from the dict that the code obeys."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from django.apps import apps
from django.db import models

from apps.teams.states import Stateful

HEAD = """# State machines

Drawn from the code by `python manage.py draw_states`; a test holds this page against it. Each noun moves
through one door, `move_to`, which writes the audit line in the same transaction. What is not final has a
deadline: the database insists.
"""


def page() -> str:
    return "\n".join([HEAD, *(_section(model) for model in _nouns())])


def _nouns() -> list[type[Stateful]]:
    """In the order of the rooms, the lowest first."""
    return [model for model in apps.get_models() if issubclass(model, Stateful)]


def _section(model: type[Stateful]) -> str:
    summary = inspect.getdoc(model) or ""
    states = _sentences(model)
    table = "\n".join(f"| {state} | {sentence} |" for state, sentence in states.items())
    return (
        f"## {model.__name__}\n\n{summary.splitlines()[0]}\n\n"
        f"```mermaid\nstateDiagram-v2\n{_arrows(model)}\n```\n\n| state | meaning |\n|---|---|\n{table}\n"
    )


def _arrows(model: type[Stateful]) -> str:
    first = str(model._meta.get_field("state").get_default())
    return "\n".join([f"    [*] --> {first}", *_transitions(model)])


def _transitions(model: type[Stateful]) -> Iterator[str]:
    for state, targets in model.TRANSITIONS.items():
        yield from (f"    {_value(state)} --> {target}" for target in sorted(map(_value, targets)))
        if state in model.terminal_states():
            yield f"    {_value(state)} --> [*]"


def _sentences(model: type[Stateful]) -> dict[str, str]:
    """State -> the sentence that stands under its member."""
    choices = _choices(model)
    source = inspect.getsource(choices)
    found = re.findall(r'^    (\w+) = "\w+".*?\n    """(.*?)"""', source, re.M | re.S)
    return {choices[name].value: " ".join(sentence.split()) for name, sentence in found}


def _choices(model: type[Stateful]) -> type[models.TextChoices]:
    """The enum whose members are the keys of the transitions."""
    return type(next(iter(model.TRANSITIONS)))  # type: ignore[return-value]


def _value(state: str) -> str:
    return str(getattr(state, "value", state))
