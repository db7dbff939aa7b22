from django.apps import AppConfig


class DeploymentsConfig(AppConfig):
    name = "apps.deployments"
    label = "deployments"

    def ready(self) -> None:
        from apps.billing.invoicing.naming import name_by
        from apps.deployments.naming import purposes_of

        name_by(purposes_of)
