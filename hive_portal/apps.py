from django.apps import AppConfig


class HivePortalConfig(AppConfig):
    name = "hive_portal"

    def ready(self) -> None:
        """Every process that runs Django can enqueue: this makes our Celery application the current one."""
        from hive_portal import celery  # noqa: F401
