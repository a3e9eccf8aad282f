-- Roles with no more rights than they need. Run it as the owner of the tables after each `dealwright migrate`:
--
--     psql --file deploy/postgres/roles.sql "$OWNER_URL"
--
-- Neither role logs in. Whoever does is made a member:
--
--     CREATE ROLE shop LOGIN PASSWORD '...' IN ROLE dealwright_service;
--     CREATE ROLE reports LOGIN PASSWORD '...' IN ROLE dealwright_reader;
--
-- dealwright_service: what serve, admin, worker and the command need; only `dealwright migrate` needs the owner.
-- dealwright_reader: reports; it sees nothing that opens a door.

DO $$
DECLARE
    name text;
    kept regclass;
BEGIN
    FOREACH name IN ARRAY ARRAY['dealwright_service', 'dealwright_reader'] LOOP
        -- Roles belong to the whole server: another database of it may have made them.
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', name);
    END LOOP;

    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO dealwright_service;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO dealwright_service;
    REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM dealwright_service;
    -- Triggers refuse it anyway; their owner could drop them, and this role can't.
    FOR kept IN SELECT tgrelid FROM pg_trigger WHERE tgname = 'append_only' LOOP
        EXECUTE format('REVOKE UPDATE, DELETE ON %s FROM dealwright_service', kept);
    END LOOP;

    GRANT SELECT ON ALL TABLES IN SCHEMA public TO dealwright_reader;
    REVOKE SELECT
        ON api_token, staff_user, staff_session, login_failure, kept_answer, webhook, voucher, pepper_mark
        FROM dealwright_reader;
    -- What the invariants ask; nobody finds a voucher by its end, or learns whose it is.
    GRANT SELECT (company_id, id, batch_id, max_uses, used, disabled) ON voucher TO dealwright_reader;
END $$;
