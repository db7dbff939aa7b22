"""`docs/states.md` is drawn from the transitions; each state has its sentence."""

from __future__ import annotations

from hive_portal.management.commands.draw_states import PAGE
from hive_portal.state_diagrams import _nouns, _sentences, page


def test_it_is_drawn_from_the_code() -> None:
    assert PAGE.read_text() == page(), "draw it anew: python manage.py draw_states"


def test_each_state_has_a_sentence_under_it() -> None:
    for noun in _nouns():
        assert set(_sentences(noun)) == {str(state) for state in noun.TRANSITIONS}, noun
