"""The demo's clock: the same intervals as a real Hive, but short enough to watch."""

PACE = {
    "HIVE_HEARTBEAT_S": "1",
    "HIVE_NODE_GRACE_S": "2",
    "HIVE_METERING_INTERVAL_S": "2",
    "HIVE_LEASE_S": "60",
    "HIVE_PLACEMENT_TIMEOUT_S": "60",
    "HIVE_SETTLE_INTERVAL_S": "30",
    "HIVE_CONFIRMATIONS": "1",
    "HIVE_FINALITY": "3",
}
