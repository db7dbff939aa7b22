"""The JSON-RPC nodes, as the watcher finds them."""

import django.utils.timezone
from django.db import migrations, models

from apps.billing.chain.chain_nodes import ChainNode
from apps.teams.guards import keep_states


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0020_keep_transactions'),
        ('teams', '0004_tell_limited_tokens'),
    ]

    operations = [
        migrations.CreateModel(
            name='ChainNode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(blank=True, help_text='Why it is in this state.', max_length=500)),
                ('state_since', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('deadline_at', models.DateTimeField(blank=True, help_text='By when it must have left this state; none for a final one.', null=True)),
                ('name', models.CharField(help_text='Host and port.', max_length=200, unique=True)),
                ('state', models.CharField(choices=[('well', 'Well'), ('left_out', 'Left out'), ('retired', 'Retired')], default='well', max_length=12)),
                ('height', models.BigIntegerField(blank=True, help_text='Its newest block when last examined.', null=True)),
                ('examined_at', models.DateTimeField(blank=True, null=True)),
                ('retry_at', models.DateTimeField(blank=True, help_text='When a node left out is tried again.', null=True)),
                ('tries', models.PositiveIntegerField(default=0, help_text='In vain, since it was well.')),
                ('lies', models.PositiveIntegerField(default=0, help_text='How often the others contradicted it.')),
            ],
            options={
                'ordering': ('name',),
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['retired', 'well']), ('deadline_at__isnull', False), _connector='OR'), name='chain_node_has_deadline')],
            },
        ),
        keep_states(ChainNode),
    ]
