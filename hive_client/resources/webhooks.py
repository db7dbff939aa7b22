"""`hive.webhooks`: addresses of yours that are told of what your team is told of."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from hive_client.nouns.notices import Delivery, Webhook
from hive_client.reading import read
from hive_client.session import Session


class Webhooks:
    """For owners. Requests are signed as Standard Webhooks says."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __iter__(self) -> Iterator[Webhook]:
        """Oldest first."""
        return (read(Webhook, row) for row in self._session.pages("webhooks/"))

    def add(self, url: str) -> Webhook:
        """Its `secret` is shown this once."""
        return read(Webhook, self._session.post("webhooks/", url=url))

    def rotate(self, webhook_id: str) -> Webhook:
        """With another `secret`; for a day requests are signed with the old one too."""
        return read(Webhook, self._session.post(f"{self._path(webhook_id)}rotate/"))

    def remove(self, webhook_id: str) -> None:
        self._session.delete(self._path(webhook_id))

    def test(self, webhook_id: str) -> Delivery:
        """On its way when this returns: ask for the delivery to learn what was answered."""
        return read(Delivery, self._session.post(f"{self._path(webhook_id)}test/"))

    def deliveries(self, webhook_id: str | None = None) -> Iterator[Delivery]:
        """Newest first; without an id those of mails as well."""
        return (read(Delivery, row) for row in self._session.pages("deliveries/", webhook=webhook_id))

    def delivery(self, delivery_id: str) -> Delivery:
        return read(Delivery, self._session.get(f"deliveries/{quote(delivery_id, safe='')}/"))

    def redeliver(self, delivery_id: str) -> Delivery:
        """The same message anew, under the same webhook-id."""
        path = f"deliveries/{quote(delivery_id, safe='')}/redeliver/"
        return read(Delivery, self._session.post(path))

    def _path(self, webhook_id: str) -> str:
        return f"webhooks/{quote(webhook_id, safe='')}/"
