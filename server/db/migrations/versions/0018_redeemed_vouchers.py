"""Vouchers are limits that redemptions count: an account for each voucher that was ever wanted.

What a voucher says of its uses follows from its account by a trigger, with the check constraint of its own.
"""

import importlib

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# Locks are taken in this order of kinds, the most contended last.
KINDS = ("customer", "voucher", "code", "day", "store", "total", "budget")
KINDS_BEFORE = ("customer", "code", "day", "store", "total", "budget")

# As before, with vouchers: the rows of these are locked after their accounts.
PLACE = """
CREATE FUNCTION place_redemptions(
    p_company text, p_ids uuid[], p_principals text[], p_tokens text[], p_keys text[], p_methods text[],
    p_hashes bytea[], p_stores text[], p_orders text[], p_customers text[], p_revisions bigint[],
    p_currencies text[], p_discounts bigint[], p_payables bigint[],
    p_lifetimes int[],              -- seconds of a reservation; NULL redeems at once
    p_requests bytea[], p_results bytea[], p_responses bytea[],
    p_granted_ops int[], p_granted_ids text[], p_granted_discounts bigint[], p_granted_costs bigint[],
    p_granted_vouchers text[],      -- ids in hexadecimal; empty: none
    p_account_promotions text[], p_account_kinds text[], p_account_keys text[], p_account_units text[],
    p_account_limits bigint[],
    p_need_ops int[], p_need_accounts int[], p_need_amounts bigint[]    -- by operation; accounts by position
) RETURNS TABLE (op int, outcome text, redemption_id uuid, method text, request_hash bytea, response bytea,
                 "time" timestamptz, expire_time timestamptz)
LANGUAGE plpgsql
SET lock_timeout = '2s'
AS $$
#variable_conflict use_column
DECLARE
    count_ops int := cardinality(p_ids);
    count_accounts int := cardinality(p_account_kinds);
    count_needs int := cardinality(p_need_ops);
    outcomes text[] := array_fill('known'::text, ARRAY[cardinality(p_ids)]);
    claimed uuid[];
    placed uuid[];
    short uuid[] := '{}';
    now_ timestamptz := clock_timestamp();
    account_ids bigint[] := '{}';
    used bigint[] := '{}';
    limits bigint[] := p_account_limits;
    add_posted bigint[] := array_fill(0::bigint, ARRAY[count_accounts]);
    add_pending bigint[] := array_fill(0::bigint, ARRAY[count_accounts]);
    voucher_ids bytea[];
    in_force text[];
    need int := 1;
    first_need int;
    fits boolean;
    account int;
    wanted int;
    changed int;
BEGIN
    WITH claim AS (
        INSERT INTO idempotency_key
            (company_id, principal, key, method, request_hash, redemption_id, response, time, expire_time)
        SELECT p_company, o.principal, o.key, o.method, o.hash, o.id, o.response, now_,
               now_ + make_interval(secs => o.lifetime)
        FROM unnest(p_ids, p_principals, p_keys, p_methods, p_hashes, p_responses, p_lifetimes)
            WITH ORDINALITY AS o(id, principal, key, method, hash, response, lifetime, ordinal)
        ORDER BY o.principal COLLATE "C", o.key COLLATE "C", o.ordinal
        ON CONFLICT DO NOTHING
        RETURNING idempotency_key.redemption_id AS id
    )
    SELECT coalesce(array_agg(id), '{}') INTO claimed FROM claim;

    WITH place AS (
        INSERT INTO redemption
            (id, company_id, store_id, order_id, customer_id, state, revision, currency_code,
             discount_minor, payable_minor, create_time, expire_time, resolve_time)
        SELECT o.id, p_company, o.store, o.order_, o.customer,
               CASE WHEN o.lifetime IS NULL THEN 'committed' ELSE 'reserved' END,
               o.revision, o.currency, o.discount, o.payable, now_,
               now_ + make_interval(secs => o.lifetime), CASE WHEN o.lifetime IS NULL THEN now_ END
        FROM unnest(p_ids, p_stores, p_orders, p_customers, p_revisions, p_currencies, p_discounts,
                    p_payables, p_lifetimes) WITH ORDINALITY
            AS o(id, store, order_, customer, revision, currency, discount, payable, lifetime, ordinal)
        WHERE o.id = ANY (claimed)
        ORDER BY o.store COLLATE "C", o.order_ COLLATE "C", o.ordinal
        ON CONFLICT DO NOTHING
        RETURNING redemption.id
    )
    SELECT coalesce(array_agg(id), '{}') INTO placed FROM place;

    IF count_accounts > 0 THEN
        INSERT INTO limit_account (company_id, promotion_id, kind, key, lock_rank, unit, lim)
        SELECT p_company, a.promotion, a.kind, a.key,
               array_position(
                   ARRAY['customer', 'voucher', 'code', 'day', 'store', 'total', 'budget'], a.kind
               ),
               a.unit, a.lim
        FROM unnest(p_account_promotions, p_account_kinds, p_account_keys, p_account_units, p_account_limits)
            WITH ORDINALITY AS a(promotion, kind, key, unit, lim, ordinal)
        WHERE NOT EXISTS (
            SELECT FROM limit_account l WHERE l.company_id = p_company AND l.promotion_id = a.promotion
            AND l.kind = a.kind AND l.key = a.key
        )
        ORDER BY a.ordinal
        ON CONFLICT DO NOTHING;

        SELECT array_agg(l.id ORDER BY l.ordinal), array_agg(l.used ORDER BY l.ordinal)
        INTO account_ids, used
        FROM (
            SELECT l.id, l.posted + l.pending + l.escrowed AS used, a.ordinal
            FROM unnest(p_account_promotions, p_account_kinds, p_account_keys)
                WITH ORDINALITY AS a(promotion, kind, key, ordinal)
            JOIN limit_account l ON l.company_id = p_company AND l.promotion_id = a.promotion
                AND l.kind = a.kind AND l.key = a.key
            ORDER BY a.ordinal
            FOR UPDATE OF l
        ) l;
        IF cardinality(account_ids) IS DISTINCT FROM count_accounts THEN
            RAISE EXCEPTION 'locked % of % limit accounts', cardinality(account_ids), count_accounts;
        END IF;
    END IF;

    -- A voucher that was disabled or has ended since it was looked up has nothing left.
    IF 'voucher' = ANY (p_account_kinds) THEN
        SELECT array_agg(decode(a.key, 'hex')) INTO voucher_ids
        FROM unnest(p_account_kinds, p_account_keys) AS a(kind, key) WHERE a.kind = 'voucher';
        PERFORM FROM voucher v WHERE v.company_id = p_company AND v.id = ANY (voucher_ids)
        ORDER BY v.id FOR UPDATE;
        SELECT coalesce(array_agg(encode(v.id, 'hex')), '{}') INTO in_force
        FROM voucher v JOIN voucher_batch b ON b.id = v.batch_id
        WHERE v.company_id = p_company AND v.id = ANY (voucher_ids)
            AND NOT v.disabled AND b.disable_time IS NULL
            AND coalesce(b.start_time, '-infinity') <= clock_timestamp()
            AND coalesce(v.end_time, b.end_time, 'infinity') > clock_timestamp();
        FOR i IN 1..count_accounts LOOP
            IF p_account_kinds[i] = 'voucher' AND p_account_keys[i] <> ALL (in_force) THEN
                limits[i] := 0;
            END IF;
        END LOOP;
    END IF;

    FOR i IN 1..count_ops LOOP
        IF p_ids[i] = ANY (placed) THEN
            outcomes[i] := 'placed';
        ELSIF p_ids[i] = ANY (claimed) THEN
            outcomes[i] := 'order';
        END IF;
        first_need := need;
        fits := true;
        WHILE need <= count_needs AND p_need_ops[need] = i LOOP
            account := p_need_accounts[need];
            fits := fits AND used[account] + p_need_amounts[need] <= limits[account];
            need := need + 1;
        END LOOP;
        IF outcomes[i] = 'placed' THEN
            IF fits THEN
                FOR j IN first_need..need - 1 LOOP
                    account := p_need_accounts[j];
                    used[account] := used[account] + p_need_amounts[j];
                    IF p_lifetimes[i] IS NULL THEN
                        add_posted[account] := add_posted[account] + p_need_amounts[j];
                    ELSE
                        add_pending[account] := add_pending[account] + p_need_amounts[j];
                    END IF;
                END LOOP;
            ELSE
                outcomes[i] := 'short';
                short := short || p_ids[i];
            END IF;
        END IF;
    END LOOP;

    -- What wasn't granted leaves nothing behind.
    IF cardinality(short) > 0 OR cardinality(placed) < cardinality(claimed) THEN
        DELETE FROM idempotency_key k
        USING unnest(p_principals, p_keys, outcomes) AS o(principal, key, outcome)
        WHERE k.company_id = p_company AND k.principal = o.principal AND k.key = o.key
            AND o.outcome IN ('short', 'order') AND k.redemption_id = ANY (claimed);
        DELETE FROM redemption r WHERE r.id = ANY (short);
        placed := ARRAY(SELECT p FROM unnest(placed) p WHERE p <> ALL (short));
    END IF;

    SELECT count(*) INTO wanted FROM unnest(add_posted, add_pending) AS a(posted, pending)
    WHERE a.posted + a.pending > 0;
    UPDATE limit_account l
    SET posted = l.posted + a.posted, pending = l.pending + a.pending, lim = a.lim
    FROM unnest(account_ids, add_posted, add_pending, limits) AS a(id, posted, pending, lim)
    WHERE l.id = a.id AND a.posted + a.pending > 0
        AND l.posted + l.pending + l.escrowed + a.posted + a.pending <= a.lim;
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed <> wanted THEN
        RAISE EXCEPTION 'changed % of % limit accounts', changed, wanted;
    END IF;

    INSERT INTO redemption_sale (redemption_id, request, result)
    SELECT o.id, o.request, o.result FROM unnest(p_ids, p_requests, p_results) AS o(id, request, result)
    WHERE o.id = ANY (placed);

    INSERT INTO redemption_promotion (redemption_id, promotion_id, discount_minor, cost_minor, voucher_id)
    SELECT p_ids[g.op], g.id, g.discount, g.cost, g.voucher
    FROM unnest(p_granted_ops, p_granted_ids, p_granted_discounts, p_granted_costs, p_granted_vouchers)
        AS g(op, id, discount, cost, voucher)
    WHERE outcomes[g.op] = 'placed';

    WITH posting AS (
        INSERT INTO ledger_transaction (company_id, redemption_id, kind, principal, token_id, time)
        SELECT p_company, o.id, CASE WHEN o.lifetime IS NULL THEN 'redeem' ELSE 'reserve' END,
               o.principal, o.token, now_
        FROM unnest(p_ids, p_principals, p_tokens, p_lifetimes) WITH ORDINALITY
            AS o(id, principal, token, lifetime, ordinal)
        WHERE o.id = ANY (placed)
        ORDER BY o.ordinal
        RETURNING id, redemption_id
    ), hold AS (
        INSERT INTO limit_hold (redemption_id, account_id, unit, reserved, posted)
        SELECT p_ids[n.op], account_ids[n.account], p_account_units[n.account], n.amount,
               CASE WHEN p_lifetimes[n.op] IS NULL THEN n.amount ELSE 0 END
        FROM unnest(p_need_ops, p_need_accounts, p_need_amounts) AS n(op, account, amount)
        WHERE outcomes[n.op] = 'placed'
        RETURNING redemption_id, account_id, unit, reserved, posted
    )
    INSERT INTO ledger_entry (transaction_id, account_id, bucket, unit, amount)
    SELECT posting.id, hold.account_id, side.bucket, hold.unit, side.amount
    FROM hold JOIN posting ON posting.redemption_id = hold.redemption_id
    CROSS JOIN LATERAL (VALUES
        ('free', -hold.reserved),
        (CASE WHEN hold.posted > 0 THEN 'posted' ELSE 'pending' END, hold.reserved)
    ) AS side(bucket, amount);

    RETURN QUERY
    SELECT o.ordinal::int, outcomes[o.ordinal],
           CASE WHEN outcomes[o.ordinal] = 'order' THEN (
               SELECT r.id FROM redemption r WHERE r.company_id = p_company AND r.store_id = o.store
               AND r.order_id = o.order_ AND r.state NOT IN ('released', 'expired')
           ) ELSE k.redemption_id END,
           k.method::text, k.request_hash,
           CASE WHEN outcomes[o.ordinal] = 'known' THEN k.response END, k.time, k.expire_time
    FROM unnest(p_principals, p_keys, p_stores, p_orders) WITH ORDINALITY
        AS o(principal, key, store, order_, ordinal)
    LEFT JOIN idempotency_key k ON k.company_id = p_company AND k.principal = o.principal AND k.key = o.key
    ORDER BY o.ordinal;
END $$
"""

COUNT_USES = """
CREATE FUNCTION count_voucher_uses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE voucher SET used = NEW.posted + NEW.pending + NEW.escrowed
    WHERE company_id = NEW.company_id AND id = decode(NEW.key, 'hex');
    RETURN NULL;
END $$
"""

COUNT_USES_TRIGGER = """
CREATE TRIGGER voucher_uses AFTER UPDATE OF posted, pending, escrowed ON limit_account
FOR EACH ROW WHEN (NEW.kind = 'voucher') EXECUTE FUNCTION count_voucher_uses()
"""


def _told(voucher: bool) -> str:
    """The function that tells what happens to redemptions, with the vouchers that they use or without."""
    events = importlib.import_module("server.db.migrations.versions.0015_redemption_events").EVENTS
    before = "'returned_minor', nullif(p.returned_minor, 0)::text"
    after = f"{before}, 'voucher_id', nullif(p.voucher_id, '')" if voucher else before
    body = events.replace(before, after).format(made="made")
    return f"""
    CREATE OR REPLACE FUNCTION tell_redemptions() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN {body}; RETURN NULL; END $$
    """


def _rank(kinds: tuple[str, ...]) -> None:
    """Gives each kind its place in the order of locks."""
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    rank = f"array_position(ARRAY[{listed}], kind::text)"
    op.drop_constraint("ck_limit_account_kind", "limit_account")
    op.drop_constraint("ck_limit_account_lock_rank", "limit_account")
    op.execute(f"UPDATE limit_account SET lock_rank = {rank}")  # noqa: S608 - only constants of this file
    op.create_check_constraint("ck_limit_account_kind", "limit_account", f"kind IN ({listed})")
    op.create_check_constraint("ck_limit_account_lock_rank", "limit_account", f"lock_rank = {rank}")


def upgrade() -> None:
    op.add_column(
        "redemption_promotion",
        sa.Column(
            "voucher_id",
            sa.String(collation="C"),
            server_default="",
            nullable=False,
            comment="In hexadecimal; empty: none",
        ),
    )
    op.create_index(
        "ix_redemption_promotion_voucher_id",
        "redemption_promotion",
        ["voucher_id", "redemption_id"],
        postgresql_where=sa.text("voucher_id <> ''"),
    )
    _rank(KINDS)
    op.execute("DROP FUNCTION place_redemptions")
    op.execute(PLACE)
    op.execute(_told(voucher=True))
    op.execute(COUNT_USES)
    op.execute(COUNT_USES_TRIGGER)


def downgrade() -> None:
    before = importlib.import_module("server.db.migrations.versions.0010_redemption_statements")
    op.execute("DROP TRIGGER voucher_uses ON limit_account")
    op.execute("DROP FUNCTION count_voucher_uses")
    op.execute("DROP FUNCTION place_redemptions")
    op.execute(before.PLACE)
    op.execute(_told(voucher=False))
    _rank(KINDS_BEFORE)
    op.drop_column("redemption_promotion", "voucher_id")
