"""The REST API: every room's views under /api/v1/, described at /api/schema/ and /api/docs/."""

from __future__ import annotations

from typing import Any

from django.urls import include, path, re_path
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from apps.billing.alerts.api import AlertViewSet
from apps.billing.api import BudgetViewSet, InvoiceViewSet, UsageViewSet
from apps.billing.invoicing.details_api import BillingDetailsViewSet
from apps.billing.statements.api import StatementViewSet
from apps.billing.wallets.api import WalletViewSet
from apps.billing.wallets.withdrawal_api import WithdrawalViewSet
from apps.deployments.api import DeploymentViewSet, PlanViewSet
from apps.market.api import AgreementViewSet
from apps.market.board.api import MarketViewSet
from apps.market.reputation.api import ReputationView
from apps.nodes.api import EnrolmentViewSet, NodeViewSet
from apps.teams.api import MeView, TokenViewSet
from apps.teams.notices.api import DeliveryViewSet, WebhookViewSet
from hive_portal.explaining import explain
from hive_portal.keys.api import KeyViewSet
from hive_portal.owners.api import BeeViewSet
from hive_portal.owners.disputes_api import DisputeViewSet

__all__ = ["api_urlpatterns", "explain"]

router = SimpleRouter()
for prefix, noun, views in (
    ("plans", "plan", PlanViewSet),
    ("deployments", "deployment", DeploymentViewSet),
    ("nodes", "node", NodeViewSet),
    ("bees", "bee", BeeViewSet),
    ("disputes", "dispute", DisputeViewSet),
    ("enrolments", "enrolment", EnrolmentViewSet),
    ("agreements", "agreement", AgreementViewSet),
    ("market", "market", MarketViewSet),
    ("budgets", "budget", BudgetViewSet),
    ("wallets", "wallet", WalletViewSet),
    ("withdrawals", "withdrawal", WithdrawalViewSet),
    ("alerts", "alert", AlertViewSet),
    ("usage", "usage", UsageViewSet),
    ("invoices", "invoice", InvoiceViewSet),
    ("billing-details", "billing", BillingDetailsViewSet),
    ("statements", "statement", StatementViewSet),
    ("tokens", "token", TokenViewSet),
    ("keys", "key", KeyViewSet),
    ("webhooks", "webhook", WebhookViewSet),
    ("deliveries", "delivery", DeliveryViewSet),
):
    router.register(prefix, views, basename=f"api-{noun}")


class NowhereView(APIView):
    """What no other address matches. Without it, a typing error would be answered with a page for people."""

    @extend_schema(exclude=True)
    def _nowhere(self, request: Request, **kwargs: Any) -> Response:
        hint = "" if request.path.endswith("/") else ": addresses here end with a slash"
        raise NotFound(f"there is nothing at {request.path}{hint}")

    get = post = put = patch = delete = _nowhere


api_urlpatterns = [
    path("api/schema/", SpectacularAPIView.as_view(permission_classes=[]), name="api-schema"),
    path(
        "api/docs/",
        SpectacularSwaggerView.as_view(url_name="api-schema", permission_classes=[]),
        name="api-docs",
    ),
    path("api/v1/me/", MeView.as_view(), name="api-me"),
    path("api/v1/nodes/<str:pk>/reputation/", ReputationView.as_view(), name="api-node-reputation"),
    path("api/v1/", include(router.urls)),
    re_path("^api/", NowhereView.as_view(schema=None)),
]
