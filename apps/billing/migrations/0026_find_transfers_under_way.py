"""The watcher asks each second for what is under way, and for what was lost, among all that ever came."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0025_name_payers'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='chaintransfer',
            index=models.Index(condition=models.Q(('state__in', ['seen', 'confirmed'])), fields=['chain_id', 'block_number'], name='chain_transfer_under_way'),
        ),
        migrations.AddIndex(
            model_name='chaintransfer',
            index=models.Index(condition=models.Q(('state', 'reverted')), fields=['chain_id', 'tx_hash'], name='chain_transfer_lost'),
        ),
    ]
