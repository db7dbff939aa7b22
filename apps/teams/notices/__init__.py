"""What a team is told: notices by mail and by signed webhooks, until they arrive or it is too late."""
