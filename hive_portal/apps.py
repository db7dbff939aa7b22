from django.apps import AppConfig


class HivePortalConfig(AppConfig):
    name = "hive_portal"

    def ready(self) -> None:
        """Every process that runs Django can enqueue, by our Celery application, and checks its settings."""
        from hive_portal import celery, checks  # noqa: F401
