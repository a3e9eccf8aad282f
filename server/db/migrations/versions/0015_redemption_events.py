"""What happens in redemption is told: the database writes the events itself, beside what they tell of.

So nothing that books can forget them, and orders that share a statement share the INSERT too.
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# `data` is a Redemption of the schema as protojson: 64-bit integers are texts, and what is unset is left out.
EVENTS = """
INSERT INTO event (company_id, type, subject, time, data)
SELECT r.company_id,
       CASE made.kind
           WHEN 'reserve' THEN 'dealwright.redemption.reserved'
           WHEN 'redeem' THEN 'dealwright.redemption.committed'
           WHEN 'commit' THEN 'dealwright.redemption.committed'
           WHEN 'late_commit' THEN 'dealwright.redemption.committed'
           WHEN 'release' THEN 'dealwright.redemption.released'
           WHEN 'expire' THEN 'dealwright.redemption.expired'
           WHEN 'return' THEN 'dealwright.redemption.returned'
       END,
       r.id::text, made.time,
       jsonb_strip_nulls(jsonb_build_object(
           'redemption_id', r.id,
           'order_id', nullif(r.order_id, ''),
           'store_id', nullif(r.store_id, ''),
           'customer_id', nullif(r.customer_id, ''),
           'state', 'REDEMPTION_STATE_' || upper(r.state),
           'revision', nullif(r.revision, 0)::text,
           'currency_code', r.currency_code,
           'discount_minor', nullif(r.discount_minor, 0)::text,
           'payable_minor', nullif(r.payable_minor, 0)::text,
           'promotions', (
               SELECT jsonb_agg(jsonb_build_object(
                   'promotion_id', p.promotion_id,
                   'discount_minor', nullif(p.discount_minor, 0)::text,
                   'cost_minor', nullif(p.cost_minor, 0)::text,
                   'returned_minor', nullif(p.returned_minor, 0)::text
               ) ORDER BY p.promotion_id)
               FROM redemption_promotion p WHERE p.redemption_id = r.id
           ),
           'refunded', CASE WHEN r.refunded_minor <> 0 OR r.refunded_tax_minor <> 0 THEN jsonb_build_object(
               'minor', nullif(r.refunded_minor, 0)::text,
               'tax_minor', nullif(r.refunded_tax_minor, 0)::text
           ) END,
           'late', nullif(r.late, false),
           'create_time', protojson_time(r.create_time),
           'expire_time', protojson_time(r.expire_time),
           'resolve_time', protojson_time(r.resolve_time)
       ))
FROM {made} AS made JOIN redemption r ON r.id = made.redemption_id
ORDER BY made.id
"""

FUNCTIONS = (
    """
    CREATE FUNCTION protojson_time(moment timestamptz) RETURNS text
    LANGUAGE sql STABLE
    RETURN to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    """,
    f"""
    CREATE FUNCTION tell_redemptions() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN {EVENTS.format(made="made")}; RETURN NULL; END $$
    """,
    # Its argument is the type of the event.
    """
    CREATE FUNCTION tell_limit() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
    BEGIN
        INSERT INTO event (company_id, type, subject, data)
        VALUES (new.company_id, TG_ARGV[0], new.promotion_id, jsonb_strip_nulls(jsonb_build_object(
            'promotion_id', new.promotion_id, 'kind', new.kind, 'key', nullif(new.key, ''), 'unit', new.unit,
            'limit', new.lim::text,
            'left', greatest(0, new.lim - new.posted - new.pending - new.escrowed)::text
        )));
        RETURN NULL;
    END $$
    """,
)

_LEFT = "({row}.lim - {row}.posted - {row}.pending - {row}.escrowed)"
NEW_LEFT, OLD_LEFT = _LEFT.format(row="new"), _LEFT.format(row="old")

# Limits of one customer or voucher run out all the time, and concern nobody else. Only the step over the
# mark is told.
TRIGGERS = (
    """
    CREATE TRIGGER told AFTER INSERT ON ledger_transaction REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION tell_redemptions()
    """,
    f"""
    CREATE TRIGGER told_low AFTER UPDATE ON limit_account FOR EACH ROW
    WHEN (new.kind = 'budget' AND {NEW_LEFT} <= new.lim / 10 AND {OLD_LEFT} > old.lim / 10)
    EXECUTE FUNCTION tell_limit('dealwright.budget.low')
    """,
    f"""
    CREATE TRIGGER told_exhausted AFTER UPDATE ON limit_account FOR EACH ROW
    WHEN (new.kind IN ('code', 'day', 'store', 'total', 'budget') AND {NEW_LEFT} <= 0 AND {OLD_LEFT} > 0)
    EXECUTE FUNCTION tell_limit('dealwright.limit.exhausted')
    """,
)


def upgrade() -> None:
    # Every order would lock its company for this.
    op.drop_constraint("fk_event_company_id", "event")
    for statement in (*FUNCTIONS, *TRIGGERS):
        op.execute(statement)
    # What was booked before can be replayed as it stands now, and isn't told unasked.
    op.execute("ALTER TABLE event ALTER COLUMN assigned SET DEFAULT true")
    op.execute(EVENTS.format(made="ledger_transaction"))
    op.execute("ALTER TABLE event ALTER COLUMN assigned SET DEFAULT false")


def downgrade() -> None:
    for trigger, table in (
        ("told", "ledger_transaction"),
        ("told_low", "limit_account"),
        ("told_exhausted", "limit_account"),
    ):
        op.execute(f"DROP TRIGGER {trigger} ON {table}")
    for function in ("tell_limit()", "tell_redemptions()", "protojson_time(timestamptz)"):
        op.execute(f"DROP FUNCTION {function}")
    op.create_foreign_key("fk_event_company_id", "event", "company", ["company_id"], ["id"])
