"""A message is signed once, and what was signed stays, by PostgreSQL's own word."""

from django.db import migrations

from apps.billing.models import WalletProof
from apps.teams.guards import write_once

WRITTEN = ("team", "address", "nonce", "message", "expires_at", "signature", "proven_at", "wallet")

KEEP_SIGNED = """
CREATE TRIGGER keep_signed BEFORE DELETE ON billing_walletproof FOR EACH ROW WHEN (OLD.signature <> '')
    EXECUTE FUNCTION hive_refuse_change('a signed message is evidence');
CREATE TRIGGER keep_table BEFORE TRUNCATE ON billing_walletproof
    FOR EACH STATEMENT EXECUTE FUNCTION hive_refuse_change('a signed message is evidence');
"""
UNDO = """
DROP TRIGGER keep_signed ON billing_walletproof;
DROP TRIGGER keep_table ON billing_walletproof;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0008_prove_wallets"), ("teams", "0004_tell_limited_tokens")]
    operations = [
        write_once(WalletProof, *WRITTEN, because="the message is what the wallet was asked to sign"),
        migrations.RunSQL(KEEP_SIGNED, UNDO),
    ]
