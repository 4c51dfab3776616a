-- +goose Up
-- The control schema. Personal data stands here encrypted only (…_cipher, AEAD
-- with the row's id as associated data) or as a keyed HMAC. Every instant is
-- timestamptz; the pool sets the time zone to UTC.

CREATE TABLE staff (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email         text NOT NULL,
    name          text NOT NULL,
    role          text NOT NULL CHECK (role IN ('dpo', 'processor', 'reader')),
    controllers   text[] NOT NULL DEFAULT '{}',  -- empty for role processor: all
    password_hash text NOT NULL DEFAULT '',      -- argon2id; empty: only a sign-in link works
    created_at    timestamptz NOT NULL,
    removed_at    timestamptz
);
CREATE UNIQUE INDEX staff_email_key ON staff (lower(email)) WHERE removed_at IS NULL;

CREATE TABLE sessions (
    token_hash bytea PRIMARY KEY,                -- SHA-256 of the cookie's token
    data       bytea NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);

CREATE TABLE requests (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    controller     text NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('access', 'export', 'erasure')),
    policy         text NOT NULL,
    status         text NOT NULL CHECK (status IN
                       ('received', 'in_review', 'running', 'fulfilled', 'refused', 'withdrawn', 'lapsed')),
    channel        text NOT NULL CHECK (channel IN ('form', 'console', 'cli')),
    delivery       text NOT NULL CHECK (delivery IN ('link', 'attachment', 'hand')),
    language       text NOT NULL DEFAULT 'en',
    received_at    timestamptz NOT NULL,
    due_on         date NOT NULL,
    derivation     text NOT NULL,
    extended_at    timestamptz,
    approved_at    timestamptz,
    approved_by    text,
    include_shared boolean NOT NULL DEFAULT false,
    first_approved_at timestamptz,               -- the brake: a second person has to approve, too
    first_approved_by text,
    brake          text,                         -- why, in words, without contents
    requester      text NOT NULL DEFAULT 'self' CHECK (requester IN ('self', 'parent', 'guardian', 'lawyer', 'agent')),
    requester_cipher bytea,                      -- {name, address} of a requester other than the subject
    mandate_kind   text,                         -- what was seen, e.g. "power of attorney"; never a copy
    mandate_by     text,
    mandate_at     timestamptz,
    brought_cipher bytea,                        -- {fields, secret}: custom request fields, and what hashes are keyed by; NULL at the end
    reason_cipher  bytea,                        -- the DPO's words for a refusal or extension
    joined_proof   bytea,                        -- HMAC over the sorted proved identities; NULL until one is proved
    waits_for      bigint REFERENCES requests,   -- an erasure waits for the same subject's access
    joined_into    bigint REFERENCES requests,   -- the older open request that took this one in
    reminded_at    timestamptz,
    finished_at    timestamptz,
    scrub_at       timestamptz,
    scrubbed_at    timestamptz
);
-- Two open requests of one subject are one, when controller, kind, policy and
-- the set of proved identities are the same.
CREATE UNIQUE INDEX requests_open_key ON requests (controller, kind, policy, joined_proof)
    WHERE joined_proof IS NOT NULL AND status IN ('received', 'in_review');
CREATE INDEX requests_due_idx ON requests (due_on) WHERE status IN ('received', 'in_review', 'running');
-- What is usual, by which an erasure is measured before a second person must approve it.
CREATE INDEX requests_erased_idx ON requests (policy, finished_at) WHERE kind = 'erasure' AND status = 'fulfilled';
CREATE INDEX requests_scrub_idx ON requests (scrub_at) WHERE scrubbed_at IS NULL;
-- Each request that ends lets those go that waited for it.
CREATE INDEX requests_waits_for_idx ON requests (waits_for) WHERE waits_for IS NOT NULL;

CREATE TABLE identities (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id  bigint NOT NULL REFERENCES requests ON DELETE CASCADE,
    type        text NOT NULL,
    cipher      bytea,                           -- the normalised value; NULL once scrubbed
    hmac        bytea NOT NULL,
    key_id      text NOT NULL,                   -- key of the HMAC
    proved_at   timestamptz,
    proved_how  text,                            -- 'link' or the DPO's words
    proved_by   text,
    UNIQUE (request_id, type, hmac)
);
CREATE INDEX identities_hmac_idx ON identities (hmac);

-- Root rows seen by the discovery; the DPO ticks them where they disagree.
CREATE TABLE roots (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id   bigint NOT NULL REFERENCES requests ON DELETE CASCADE,
    source       text NOT NULL,
    collection   text NOT NULL,
    key_hmac     bytea NOT NULL,
    cipher       bytea,                          -- {key, types, stored, person}; NULL once scrubbed
    proved       boolean NOT NULL,               -- matched by a proved identity
    ticked       boolean,                        -- NULL: nobody decided yet
    seen_at      timestamptz NOT NULL,
    UNIQUE (request_id, source, collection, key_hmac)
);

CREATE TABLE steps (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id  bigint NOT NULL REFERENCES requests ON DELETE CASCADE,
    stage       text NOT NULL CHECK (stage IN ('locate', 'discover', 'ask', 'archive', 'erase', 'mentions', 'kept')),
    source      text NOT NULL,                   -- '' for a step over all sources
    run         int NOT NULL DEFAULT 1,
    status      text NOT NULL CHECK (status IN ('waiting', 'running', 'asked', 'done', 'failed', 'dropped')),
    attempts    int NOT NULL DEFAULT 0,
    error       text,                            -- a code of ours, e.g. source_down, or an SQLSTATE
    message     text,                            -- the sentence that a person reads; no contents
    note_xid    text,
    note_cipher bytea,                           -- {findings, keys, objects} of a source.Note
    carrier     bigint,                          -- the step whose job carries this one out; NULL: a job of its own does
    carrier_run int,                             -- which of that step's jobs: a later one leaves this step to it
    created_at  timestamptz NOT NULL,
    started_at  timestamptz,
    finished_at timestamptz,
    UNIQUE (request_id, stage, source)
) WITH (fillfactor = 60);
-- Of what a claim changes nothing stands in an index: it costs a row on the same page.
CREATE INDEX steps_free_idx ON steps (stage, source, id) WHERE finished_at IS NULL AND carrier IS NULL;
CREATE INDEX steps_carrier_idx ON steps (carrier, id) WHERE carrier IS NOT NULL;
CREATE INDEX steps_open_idx ON steps (created_at) WHERE finished_at IS NULL;

-- Files that the rows named which an erase step erased: to be deleted after its source has committed.
CREATE TABLE step_files (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    step_id bigint NOT NULL REFERENCES steps ON DELETE CASCADE,
    xid     text NOT NULL,                       -- the source's transaction
    store   text NOT NULL,
    cipher  bytea,                               -- up to 1,000 keys; NULL once they are dealt with
    gone    bigint NOT NULL DEFAULT 0,
    missing bigint NOT NULL DEFAULT 0,           -- were not there
    kept    bigint NOT NULL DEFAULT 0            -- rows that stay name them
);
CREATE INDEX step_files_step_idx ON step_files (step_id, id);

-- Rows that an erasure left, because a law keeps them or they stand under a
-- hold: each is erased once its time has come. A key is sealed on its own and
-- outlives the scrubbing of its request; it goes when the row is dealt with.
CREATE TABLE kept (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id bigint NOT NULL REFERENCES requests ON DELETE CASCADE,
    source     text NOT NULL,
    collection text NOT NULL,
    key_hmac   bytea NOT NULL,
    cipher     bytea,                            -- the row's key; NULL once it is dealt with
    until      timestamptz,                      -- NULL: nobody can tell, or until a hold is lifted
    held       boolean NOT NULL,
    looked_at  timestamptz NOT NULL,             -- when the source last said so
    done_at    timestamptz,
    UNIQUE (request_id, source, collection, key_hmac)
);
CREATE INDEX kept_open_idx ON kept (until) WHERE cipher IS NOT NULL;

-- What the owner of a source that is a person's desk was asked, and answered:
-- one row for each step of the stage ask. Its step is 'asked' meanwhile: no job
-- stands behind it.
CREATE TABLE asks (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id  bigint NOT NULL REFERENCES requests ON DELETE CASCADE,
    step_id     bigint NOT NULL UNIQUE REFERENCES steps ON DELETE CASCADE,
    source      text NOT NULL,
    owner       text NOT NULL,                   -- the desk, as configured
    asked_at    timestamptz NOT NULL,
    due_on      date NOT NULL,
    letters     int NOT NULL DEFAULT 0,          -- written so far: the next one's ordinal
    reminders   int NOT NULL DEFAULT 0,
    remind_at   timestamptz,                     -- NULL: no more
    opened_at   timestamptz,                     -- the identities were first shown to the owner
    answer      text CHECK (answer IN ('files', 'nothing', 'done', 'cannot', 'skipped')),
    answered_at timestamptz,
    answered_by text,                            -- 'owner' or a member of staff
    cipher      bytea,                           -- {who, words}; NULL once scrubbed
    UNIQUE (request_id, source)
);
CREATE INDEX asks_remind_idx ON asks (remind_at) WHERE remind_at IS NOT NULL;

-- Files that an owner hands over. The row stands before the first byte is
-- stored, so that what was broken off is found and deleted.
CREATE TABLE uploads (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ask_id     bigint NOT NULL REFERENCES asks ON DELETE CASCADE,
    object     text NOT NULL UNIQUE,             -- key in the storage: random, names nobody
    cipher     bytea,                            -- {name, sum}; NULL once scrubbed
    size       bigint,                           -- bytes in clear; NULL until all of it is stored
    begun_at   timestamptz NOT NULL,
    removed_at timestamptz,                      -- taken back by the owner
    deleted_at timestamptz                       -- gone from the storage
);
CREATE INDEX uploads_ask_idx ON uploads (ask_id);
CREATE INDEX uploads_stored_idx ON uploads (begun_at) WHERE deleted_at IS NULL;

-- What the sources of an erasure told each other: the values that lead from the
-- rows of one to those of another. Gone with the last of its erase steps.
CREATE TABLE feeds (
    request_id bigint PRIMARY KEY REFERENCES requests ON DELETE CASCADE,
    cipher     bytea NOT NULL                    -- {feeds, ticked}
);

-- How many rows of a source's collections belong to a request, in the walk's
-- order: counts, never contents. One row for all of them, since they are
-- always written together.
CREATE TABLE findings (
    request_id bigint NOT NULL REFERENCES requests ON DELETE CASCADE,
    source     text NOT NULL,
    rows       bigint NOT NULL,                  -- of all collections
    counts     jsonb NOT NULL,                   -- [{collection, rows, shared, held, kept, erased, masked}]; 0 is left out
    found_at   timestamptz NOT NULL,
    PRIMARY KEY (request_id, source)
);

-- Where the person stands in other people's text: each waits for the DPO. No
-- text is kept, only by which sums it is known again.
CREATE TABLE mentions (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id    bigint NOT NULL REFERENCES requests ON DELETE CASCADE,
    source        text NOT NULL,
    collection    text NOT NULL,
    field         text NOT NULL,
    key_hmac      bytea NOT NULL,
    cipher        bytea,                         -- {key, sum, after}; NULL once scrubbed
    passages      int NOT NULL,
    found_at      timestamptz NOT NULL,
    decision      text CHECK (decision IN ('redact', 'delete', 'leave')),
    decided_by    text,
    decided_at    timestamptz,
    reason_cipher bytea,                         -- why it is left; NULL once scrubbed
    trouble       text,                          -- why a decision could not be carried out: it is to be decided again
    outcome       text CHECK (outcome IN ('redacted', 'deleted', 'left', 'gone')),
    done_at       timestamptz,
    UNIQUE (request_id, source, collection, field, key_hmac)
);

CREATE TABLE archives (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id bigint NOT NULL UNIQUE REFERENCES requests ON DELETE CASCADE,
    object     text NOT NULL,                    -- key in the storage: random, names nobody
    size       bigint NOT NULL,                  -- bytes of the ZIP in clear
    sha256     bytea NOT NULL,                   -- of the ZIP in clear
    sealed_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    deleted_at timestamptz
);
CREATE INDEX archives_expires_idx ON archives (expires_at) WHERE deleted_at IS NULL;

CREATE TABLE deliveries (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    archive_id bigint NOT NULL REFERENCES archives ON DELETE CASCADE,
    how        text NOT NULL CHECK (how IN ('link', 'attachment', 'hand')),
    actor      text NOT NULL,                    -- 'subject' or a member of staff
    started_at timestamptz NOT NULL,
    finished_at timestamptz                      -- NULL: broken off
);

CREATE TABLE letters (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id  bigint NOT NULL REFERENCES requests ON DELETE CASCADE,
    kind        text NOT NULL CHECK (kind IN ('confirm', 'remind', 'archive', 'erased', 'nothing', 'refused', 'extended', 'withdrawn', 'notice', 'ask', 'ask_again')),
    ordinal     int NOT NULL DEFAULT 0,          -- several confirmations in one request
    run         int NOT NULL DEFAULT 1,
    recipient   text NOT NULL DEFAULT '',        -- for notice: the recipient's key; for ask: the source
    cipher      bytea,                           -- {to, name, links, reason, …}; NULL once scrubbed
    message_id  text NOT NULL,
    status      text NOT NULL CHECK (status IN ('waiting', 'sent', 'failed', 'dropped')),
    attempts    int NOT NULL DEFAULT 0,
    smtp_code   int,
    trouble     text,                            -- what could not be done at the last attempt, in Lethe's words
    carrier     bigint,                          -- the letter whose job sends this one; NULL: a job of its own does
    carrier_run int,                             -- which of that letter's jobs: a later one leaves this letter to it
    created_at  timestamptz NOT NULL,
    sent_at     timestamptz,
    UNIQUE (request_id, kind, recipient, ordinal)
) WITH (fillfactor = 60);
CREATE INDEX letters_free_idx ON letters (kind, id) WHERE status = 'waiting' AND carrier IS NULL;
CREATE INDEX letters_carrier_idx ON letters (carrier, id) WHERE carrier IS NOT NULL;
CREATE INDEX letters_waiting_idx ON letters (created_at) WHERE status = 'waiting';

CREATE TABLE tokens (
    hash        bytea PRIMARY KEY,               -- SHA-256 of 256 random bits
    purpose     text NOT NULL CHECK (purpose IN ('confirm', 'status', 'download', 'signin', 'ask')),
    request_id  bigint REFERENCES requests ON DELETE CASCADE,
    identities  bigint[] NOT NULL DEFAULT '{}',  -- confirm: the identities it proves
    staff_id    bigint REFERENCES staff ON DELETE CASCADE,
    ask_id      bigint REFERENCES asks ON DELETE CASCADE,
    uses_left   int NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz
);
CREATE INDEX tokens_request_idx ON tokens (request_id);

CREATE TABLE holds (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    controller  text NOT NULL,
    type        text,                            -- identity type; NULL: a single row or whole collection
    hmac        bytea,
    key_id      text,
    collection  text,                            -- with cipher: one row; without: all rows of the controller
    cipher      bytea,                           -- the identity's value or the row's key
    reason      text NOT NULL,
    placed_by   text NOT NULL,
    placed_at   timestamptz NOT NULL,
    until       date,
    released_at timestamptz,
    released_by text,
    CHECK (type IS NOT NULL OR collection IS NOT NULL)
);

CREATE TABLE rules (
    name        text PRIMARY KEY,
    digest      text NOT NULL,                   -- SHA-256 of the rule as it reads now
    approved_digest text,                        -- differs from digest: runs dry
    approved_at timestamptz,
    approved_by text,
    first_limit bigint,                          -- rows expired when approved
    usual       bigint,                          -- median of the last runs
    seen_at     timestamptz NOT NULL,
    gone_at     timestamptz                      -- no longer in the file
);

CREATE TABLE schedule (
    rule     text PRIMARY KEY REFERENCES rules ON DELETE CASCADE,
    line     text NOT NULL,                      -- cron line as written, CRON_TZ= included
    next_due timestamptz NOT NULL,
    last_due timestamptz
);
CREATE INDEX schedule_due_idx ON schedule (next_due);

CREATE TABLE sweeps (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule        text NOT NULL,
    digest      text NOT NULL,
    due_at      timestamptz,                     -- the tick that it answers; NULL: by hand
    dry_run     boolean NOT NULL,
    status      text NOT NULL CHECK (status IN ('waiting', 'running', 'done', 'stopped', 'failed')),
    run         int NOT NULL DEFAULT 1,
    cutoff      date,
    expired     bigint NOT NULL DEFAULT 0,
    held        bigint NOT NULL DEFAULT 0,
    deleted     bigint NOT NULL DEFAULT 0,       -- rows changed, whatever the action
    at          text NOT NULL DEFAULT '',        -- where to go on: rule part and source.Slice.Next
    error       text,
    message     text,
    actor       text NOT NULL,
    created_at  timestamptz NOT NULL,
    started_at  timestamptz,
    finished_at timestamptz,
    UNIQUE (rule, due_at)
);
CREATE INDEX sweeps_rule_idx ON sweeps (rule, created_at DESC);

CREATE TABLE recipients (
    key       text PRIMARY KEY,                  -- of the configuration
    name      text NOT NULL,
    seen_at   timestamptz NOT NULL
);

CREATE TABLE notices (
    request_id bigint NOT NULL REFERENCES requests ON DELETE CASCADE,
    recipient  text NOT NULL REFERENCES recipients,
    letter_id  bigint REFERENCES letters,
    told_at    timestamptz,
    PRIMARY KEY (request_id, recipient)
);

CREATE TABLE tombstones (
    controller text NOT NULL,
    type       text NOT NULL,
    hmac       bytea NOT NULL,
    key_id     text NOT NULL,
    erased_at  timestamptz NOT NULL,
    request_id bigint NOT NULL,
    PRIMARY KEY (controller, type, hmac, request_id)
);

-- Append-only. Entries are written unsealed in the transaction of the change;
-- one sealer numbers and chains committed entries each second.
CREATE TABLE ledger (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type       text NOT NULL,
    at         timestamptz NOT NULL,
    request_id bigint,
    actor      text NOT NULL,
    data       jsonb NOT NULL                    -- numbers, keys of ours, salted hashes; never contents
);
CREATE INDEX ledger_request_idx ON ledger (request_id) WHERE request_id IS NOT NULL;

-- Seals stand beside the entries, so that an entry is written once and never changed.
CREATE TABLE ledger_seals (
    seq   bigint PRIMARY KEY,
    entry bigint NOT NULL UNIQUE,                -- ledger.id
    hash  bytea NOT NULL                         -- SHA-256(previous hash || canonical entry)
);

-- What is to be sealed: the entries of a statement, a thousand a row at most.
CREATE TABLE ledger_unsealed (
    first   bigint PRIMARY KEY,
    entries bigint[] NOT NULL
);
-- +goose StatementBegin
CREATE FUNCTION ledger_to_be_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lethe.ledger_unsealed
    SELECT min(id), array_agg(id ORDER BY id) FROM (SELECT id, (row_number() OVER (ORDER BY id) - 1) / 1000 AS part FROM added) a GROUP BY part;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER ledger_to_be_sealed AFTER INSERT ON ledger
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_to_be_sealed();

-- A mistake in a statement of ours or an operator's must not reach the record.
-- (Who owns the tables can switch this off; then the chain shows it.)
-- +goose StatementBegin
CREATE FUNCTION ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'object_not_in_prerequisite_state', TABLE = TG_TABLE_NAME;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE ON ledger
    FOR EACH ROW EXECUTE FUNCTION ledger_append_only();
CREATE TRIGGER ledger_not_emptied BEFORE TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only();
CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE ON ledger_seals
    FOR EACH ROW EXECUTE FUNCTION ledger_append_only();
CREATE TRIGGER ledger_not_emptied BEFORE TRUNCATE ON ledger_seals
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only();

-- What stands on the list leaves it when it is sealed, and not before.
-- +goose StatementBegin
CREATE FUNCTION ledger_is_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM lethe.ledger l WHERE l.id = ANY (OLD.entries) AND NOT EXISTS (SELECT FROM lethe.ledger_seals s WHERE s.entry = l.id)) THEN
        RAISE EXCEPTION 'these entries are not sealed yet' USING ERRCODE = 'object_not_in_prerequisite_state', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN OLD;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER ledger_is_sealed BEFORE DELETE ON ledger_unsealed
    FOR EACH ROW EXECUTE FUNCTION ledger_is_sealed();
CREATE TRIGGER ledger_append_only BEFORE UPDATE ON ledger_unsealed
    FOR EACH ROW EXECUTE FUNCTION ledger_append_only();
CREATE TRIGGER ledger_not_emptied BEFORE TRUNCATE ON ledger_unsealed
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only();
