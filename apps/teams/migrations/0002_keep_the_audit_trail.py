"""The audit trail is kept by the database itself, and the function that keeps other tables too.

TRUNCATE is refused like the rest, unless the session says `SET hive.may_truncate = 'on'`: the tests' flush
between transactional cases needs it (see tests/settings.py), nothing else does.
"""

from django.db import migrations

KEEP = """
CREATE FUNCTION hive_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND current_setting('hive.may_truncate', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% of % is refused: %', TG_OP, TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER keep_rows BEFORE UPDATE OR DELETE ON teams_auditline
    FOR EACH ROW EXECUTE FUNCTION hive_refuse_change('the audit trail is only written on');
CREATE TRIGGER keep_table BEFORE TRUNCATE ON teams_auditline
    FOR EACH STATEMENT EXECUTE FUNCTION hive_refuse_change('the audit trail is only written on');
"""

UNDO = """
DROP TRIGGER keep_rows ON teams_auditline;
DROP TRIGGER keep_table ON teams_auditline;
DROP FUNCTION hive_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("teams", "0001_initial")]
    operations = [migrations.RunSQL(KEEP, UNDO)]
