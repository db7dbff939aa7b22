"""Trigger functions behind apps/teams/guards.py, which says what each of them keeps."""

from django.db import migrations

FUNCTIONS = """
CREATE FUNCTION hive_keep_states() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    transitions CONSTANT jsonb := TG_ARGV[0];
BEGIN
    IF NOT transitions ? NEW.state THEN
        RAISE EXCEPTION '% has no state %', TG_TABLE_NAME, NEW.state USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.state <> OLD.state AND NOT (transitions -> OLD.state) ? NEW.state THEN
        RAISE EXCEPTION '%: no way from % to %', TG_TABLE_NAME, OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION hive_write_once() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    old_row CONSTANT jsonb := to_jsonb(OLD);
    new_row CONSTANT jsonb := to_jsonb(NEW);
BEGIN
    FOR i IN 1 .. TG_NARGS - 1 LOOP
        IF new_row -> TG_ARGV[i] IS DISTINCT FROM old_row -> TG_ARGV[i]
            AND coalesce(old_row ->> TG_ARGV[i], '') <> '' THEN
            RAISE EXCEPTION '% of % is written once: %', TG_ARGV[i], TG_TABLE_NAME, TG_ARGV[0]
                USING ERRCODE = 'restrict_violation';
        END IF;
    END LOOP;
    RETURN NEW;
END $$;

CREATE FUNCTION hive_never_fall() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    old_row CONSTANT jsonb := to_jsonb(OLD);
    new_row CONSTANT jsonb := to_jsonb(NEW);
BEGIN
    FOR i IN 1 .. TG_NARGS - 1 LOOP
        IF (new_row ->> TG_ARGV[i])::numeric < (old_row ->> TG_ARGV[i])::numeric THEN
            RAISE EXCEPTION '% of % never falls: %', TG_ARGV[i], TG_TABLE_NAME, TG_ARGV[0]
                USING ERRCODE = 'restrict_violation';
        END IF;
    END LOOP;
    RETURN NEW;
END $$;
"""

UNDO = """
DROP FUNCTION hive_keep_states();
DROP FUNCTION hive_write_once();
DROP FUNCTION hive_never_fall();
"""


class Migration(migrations.Migration):
    dependencies = [("teams", "0002_keep_the_audit_trail")]
    operations = [migrations.RunSQL(FUNCTIONS, UNDO)]
