"""A proof for each day and wallet, written once; and the wallets that the treasury ever was."""

import django.db.models.expressions
from django.db import migrations, models

import apps.money
from apps.billing.chain.daily_proofs import DailyProof
from apps.billing.chain.treasuries import TreasuryWallet
from apps.teams.guards import keep_rows, write_once

OF_ITS_DAY = "a proof is of its day"


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0027_approve_large_payments'),
    ]

    operations = [
        migrations.CreateModel(
            name='DailyProof',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('chain_id', models.BigIntegerField()),
                ('wallet', models.CharField(max_length=42)),
                ('block_number', models.BigIntegerField()),
                ('block_hash', models.CharField(max_length=66)),
                ('chain_balance', apps.money.GlmField()),
                ('ledger_balance', apps.money.GlmField()),
                ('coming', apps.money.GlmField(help_text='On the chain, and not deep enough to be in the ledger.')),
                ('leaving', apps.money.GlmField(help_text='Gone from the chain, and not yet final in the ledger.')),
                ('moved', apps.money.GlmField(help_text="Came from the Hive's other wallets, less what went to them.")),
                ('unexplained', apps.money.GlmField()),
                ('unmatched', models.PositiveIntegerField(help_text='Transfers that chain and ledger do not both have.')),
                ('is_flagged', models.BooleanField(help_text='Somebody has to look.')),
                ('lines', models.JSONField(default=list, help_text='Each difference: what it is, how much, which events.')),
                ('at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ('-day', 'wallet'),
                'constraints': [models.UniqueConstraint(fields=('day', 'chain_id', 'wallet'), name='daily_proof_once'), models.CheckConstraint(condition=models.Q(('unexplained', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('chain_balance'), '-', models.F('ledger_balance')), '-', models.F('coming')), '+', models.F('leaving')), '-', models.F('moved')))), name='daily_proof_adds_up'), models.CheckConstraint(condition=models.Q(models.Q(('is_flagged', False), ('unexplained', 0), ('unmatched', 0)), models.Q(('is_flagged', True), models.Q(models.Q(('unexplained', 0), _negated=True), ('unmatched__gt', 0), _connector='OR')), _connector='OR'), name='daily_proof_flagged_when_it_differs')],
            },
        ),
        migrations.CreateModel(
            name='TreasuryWallet',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('chain_id', models.BigIntegerField()),
                ('address', models.CharField(max_length=42)),
                ('since', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ('-since',),
                'constraints': [models.UniqueConstraint(fields=('chain_id', 'address'), name='treasury_wallet_once_per_chain')],
            },
        ),
        write_once(DailyProof, *[field.name for field in DailyProof._meta.concrete_fields[1:]], because=OF_ITS_DAY),
        keep_rows(DailyProof, because=OF_ITS_DAY),
        keep_rows(TreasuryWallet, because="it is watched for good"),
    ]
