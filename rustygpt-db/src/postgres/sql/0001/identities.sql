CREATE FUNCTION identity_insert(_identity jsonb) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO identities (issuer, subject, account, email, linked_at)
    VALUES (_identity ->> 'issuer', _identity ->> 'subject', (_identity ->> 'account')::uuid,
        _identity ->> 'email', (_identity ->> 'linked_at')::bigint)
$$;

CREATE FUNCTION identity_find_account_v1(_issuer text, _subject text) RETURNS SETOF account_rows
LANGUAGE sql STABLE AS $$
    SELECT r.* FROM identities i JOIN account_rows r ON r.account_id = i.account
    WHERE i.issuer = _issuer AND i.subject = _subject
$$;

CREATE FUNCTION identity_create_account_v1(
    _account jsonb, _identity jsonb, _invitation bytea, _act jsonb)
RETURNS SETOF account_rows LANGUAGE plpgsql AS $$
BEGIN
    IF _invitation IS NOT NULL THEN
        PERFORM 1 FROM code_take(_invitation, 'invitation', NULL, act_at(_act));
        IF NOT FOUND THEN PERFORM refuse('code_invalid'); END IF;
    END IF;
    PERFORM account_insert(_account, act_at(_act));
    PERFORM identity_insert(_identity);
    PERFORM act_record(_act, 'done');
    RETURN QUERY SELECT * FROM account_row((_account ->> 'id')::uuid);
END $$;

CREATE FUNCTION identity_link_v1(_identity jsonb, _act jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM account_lock((_identity ->> 'account')::uuid);
    -- Of another account it is not to be seen here; the primary key refuses it all the same.
    PERFORM 1 FROM identities
    WHERE issuer = _identity ->> 'issuer' AND subject = _identity ->> 'subject'
        AND account = (_identity ->> 'account')::uuid;
    IF FOUND THEN RETURN; END IF;
    PERFORM identity_insert(_identity);
    PERFORM act_record(_act, 'done');
END $$;

CREATE FUNCTION identity_unlink_v1(_account uuid, _issuer text, _subject text, _act jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM account_lock(_account);
    DELETE FROM identities WHERE account = _account AND issuer = _issuer AND subject = _subject;
    IF NOT FOUND THEN PERFORM not_found('identity'); END IF;
    IF NOT EXISTS (SELECT 1 FROM identities WHERE account = _account)
        AND EXISTS (SELECT 1 FROM accounts WHERE id = _account AND password_hash IS NULL)
    THEN PERFORM refuse('last_way_in'); END IF;
    PERFORM act_record(_act, 'done');
END $$;

CREATE FUNCTION identity_list_v1(_account uuid) RETURNS SETOF identities LANGUAGE sql STABLE AS $$
    SELECT * FROM identities WHERE account = _account ORDER BY linked_at, issuer, subject
$$;
