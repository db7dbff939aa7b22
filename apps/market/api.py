"""REST: the agreements under which a team rents."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers

from apps.market.models import Agreement
from apps.teams.rest import TEAM, Glm, TeamScoped


class AgreementSerializer(serializers.ModelSerializer[Agreement]):
    """With both signatures, so that anybody can check them against the EIP-712 terms.

    `because`: why this offer was chosen over others, in sentences.
    """

    because = serializers.ListField(child=serializers.CharField(), read_only=True)
    team = serializers.SlugField(source="team.slug", read_only=True)
    start_glm = Glm()
    cpu_second_glm = Glm()
    second_glm = Glm()
    egress_gib_glm = Glm()
    price_per_hour_glm = Glm()

    class Meta:
        model = Agreement
        fields = (
            "id",
            "team",
            "node",
            "offer",
            "state",
            "reason",
            "deadline_at",
            "requestor",
            "runtime",
            "image",
            "cpu_threads",
            "mem_gib",
            "storage_gib",
            "gpus",
            "start_glm",
            "cpu_second_glm",
            "second_glm",
            "egress_gib_glm",
            "price_per_hour_glm",
            "because",
            "valid_from",
            "expires_at",
            "approved_at",
            "ended_at",
            "requestor_signature",
            "provider_signature",
        )


@extend_schema_view(list=extend_schema(parameters=[TEAM]))
class AgreementViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, TeamScoped[Agreement]):
    """Agreements of your team, newest first."""

    queryset = Agreement.objects.select_related("team")
    serializer_class = AgreementSerializer
