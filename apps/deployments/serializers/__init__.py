"""How plans, deployments and replicas are written in JSON."""

from apps.deployments.serializers.actual import ActualSerializer, AgreedSerializer, ReplicaPaidSerializer
from apps.deployments.serializers.caps import CapSerializer, NewCapSerializer
from apps.deployments.serializers.deployments import DeploymentSerializer, ServiceSerializer
from apps.deployments.serializers.logs import EventSerializer, LogQuerySerializer, LogSerializer
from apps.deployments.serializers.new_plan import NewPlanSerializer
from apps.deployments.serializers.orders import ReasonSerializer, ScaleSerializer
from apps.deployments.serializers.placements import EffectSerializer, PlacementSerializer, RiskSerializer
from apps.deployments.serializers.plans import PlanRowSerializer, PlanSerializer, WholePlanSerializer
from apps.deployments.serializers.replicas import ReplicaSerializer

__all__ = [
    "ActualSerializer",
    "AgreedSerializer",
    "CapSerializer",
    "DeploymentSerializer",
    "EffectSerializer",
    "EventSerializer",
    "LogQuerySerializer",
    "LogSerializer",
    "NewCapSerializer",
    "NewPlanSerializer",
    "PlacementSerializer",
    "PlanRowSerializer",
    "PlanSerializer",
    "ReasonSerializer",
    "ReplicaPaidSerializer",
    "ReplicaSerializer",
    "RiskSerializer",
    "ScaleSerializer",
    "ServiceSerializer",
    "WholePlanSerializer",
]
