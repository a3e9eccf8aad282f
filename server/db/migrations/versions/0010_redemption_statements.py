"""The statements of redemption that have to be one: each is sent in a single round trip, and the locks of a
contended limit are held for no longer than that.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Redemptions of one company, a batch at a time, each with an answer of its own. Locks are taken in one order:
# idempotency keys, orders, then limit accounts as the caller sorted them.
PLACE = """
CREATE FUNCTION place_redemptions(
    p_company text, p_ids uuid[], p_principals text[], p_tokens text[], p_keys text[], p_methods text[],
    p_hashes bytea[], p_stores text[], p_orders text[], p_customers text[], p_revisions bigint[],
    p_currencies text[], p_discounts bigint[], p_payables bigint[],
    p_lifetimes int[],              -- seconds of a reservation; NULL redeems at once
    p_requests bytea[], p_results bytea[], p_responses bytea[],
    p_granted_ops int[], p_granted_ids text[], p_granted_discounts bigint[], p_granted_costs bigint[],
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
    add_posted bigint[] := array_fill(0::bigint, ARRAY[count_accounts]);
    add_pending bigint[] := array_fill(0::bigint, ARRAY[count_accounts]);
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
               array_position(ARRAY['customer', 'code', 'day', 'store', 'total', 'budget'], a.kind),
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
            fits := fits AND used[account] + p_need_amounts[need] <= p_account_limits[account];
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
    FROM unnest(account_ids, add_posted, add_pending, p_account_limits) AS a(id, posted, pending, lim)
    WHERE l.id = a.id AND a.posted + a.pending > 0
        AND l.posted + l.pending + l.escrowed + a.posted + a.pending <= a.lim;
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed <> wanted THEN
        RAISE EXCEPTION 'changed % of % limit accounts', changed, wanted;
    END IF;

    INSERT INTO redemption_sale (redemption_id, request, result)
    SELECT o.id, o.request, o.result FROM unnest(p_ids, p_requests, p_results) AS o(id, request, result)
    WHERE o.id = ANY (placed);

    INSERT INTO redemption_promotion (redemption_id, promotion_id, discount_minor, cost_minor)
    SELECT p_ids[g.op], g.id, g.discount, g.cost
    FROM unnest(p_granted_ops, p_granted_ids, p_granted_discounts, p_granted_costs)
        AS g(op, id, discount, cost)
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

# One ledger transaction for each redemption given. The accounts are locked in the order of all others.
POST = """
CREATE FUNCTION post_transactions(
    p_company text, p_redemptions uuid[], p_kinds text[], p_principal text, p_token text, p_time timestamptz,
    p_entry_redemptions uuid[], p_entry_accounts bigint[], p_entry_buckets text[], p_entry_amounts bigint[]
) RETURNS void
LANGUAGE plpgsql
SET lock_timeout = '2s'
AS $$
DECLARE
    wanted int;
    changed int;
BEGIN
    PERFORM l.id FROM limit_account l WHERE l.id = ANY (p_entry_accounts)
    ORDER BY l.lock_rank, l.promotion_id, l.key FOR UPDATE;

    SELECT count(DISTINCT id) INTO wanted FROM unnest(p_entry_accounts) AS e(id);
    UPDATE limit_account l
    SET posted = l.posted + d.posted, pending = l.pending + d.pending,
        escrowed = l.escrowed + d.escrowed, overrun = l.overrun + d.overrun
    FROM (
        SELECT e.account,
               coalesce(sum(e.amount) FILTER (WHERE e.bucket = 'posted'), 0)::bigint AS posted,
               coalesce(sum(e.amount) FILTER (WHERE e.bucket = 'pending'), 0)::bigint AS pending,
               coalesce(sum(e.amount) FILTER (WHERE e.bucket = 'escrowed'), 0)::bigint AS escrowed,
               coalesce(sum(e.amount) FILTER (WHERE e.bucket = 'overrun'), 0)::bigint AS overrun
        FROM unnest(p_entry_accounts, p_entry_buckets, p_entry_amounts) AS e(account, bucket, amount)
        GROUP BY e.account
    ) d
    WHERE l.id = d.account AND l.company_id = p_company;
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed <> wanted THEN
        RAISE EXCEPTION 'changed % of % limit accounts', changed, wanted;
    END IF;

    WITH posting AS (
        INSERT INTO ledger_transaction (company_id, redemption_id, kind, principal, token_id, time)
        SELECT p_company, t.redemption, t.kind, p_principal, p_token, p_time
        FROM unnest(p_redemptions, p_kinds) AS t(redemption, kind)
        RETURNING id, redemption_id
    )
    INSERT INTO ledger_entry (transaction_id, account_id, bucket, unit, amount)
    SELECT posting.id, e.account, e.bucket, l.unit, sum(e.amount)
    FROM unnest(p_entry_redemptions, p_entry_accounts, p_entry_buckets, p_entry_amounts)
        AS e(redemption, account, bucket, amount)
    JOIN posting ON posting.redemption_id = e.redemption
    JOIN limit_account l ON l.id = e.account
    GROUP BY posting.id, e.account, e.bucket, l.unit
    HAVING sum(e.amount) <> 0;
END $$
"""


def upgrade() -> None:
    op.execute(PLACE)
    op.execute(POST)


def downgrade() -> None:
    op.execute("DROP FUNCTION post_transactions")
    op.execute("DROP FUNCTION place_redemptions")
