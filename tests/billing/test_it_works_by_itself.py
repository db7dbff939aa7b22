from celery import Task, current_app
from django.conf import settings

from apps.billing import tasks
from hive_portal.celery import app


def test_it_has_a_task_for_each_entry_of_the_schedule():
    app.loader.import_default_modules()
    planned = {name for name in settings.CELERY_BEAT_SCHEDULE if name.startswith("billing.")}
    assert planned == {task.name for task in vars(tasks).values() if isinstance(task, Task)}
    assert planned <= set(current_app.tasks)
