from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from hive_portal.state_diagrams import page

PAGE = Path(__file__).resolve().parents[3] / "docs" / "states.md"


class Command(BaseCommand):
    help = "Draw docs/states.md anew from the transitions in the code."

    def handle(self, *args: Any, **options: Any) -> None:
        PAGE.write_text(page())
        self.stdout.write(f"drawn: {PAGE.name}")
