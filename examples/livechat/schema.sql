-- A live-chat vendor's tables: several shops (accounts), one database. The
-- columns are exactly those of the ten CSV files that `lethe demo --data DIR`
-- loads, and of the rows that `lethe demo` makes up.
--
-- Lethe needs of a source what this file shows: an index on every column by
-- which a person is looked up, and on every foreign key. Without the second,
-- Postgres scans the whole child table for each parent row that is deleted.
-- Foreign keys do not cascade: what is erased is what the data map names. And
-- trigram indexes, for a text that is searched for other people's mentions.
--
-- Columns with personal data admit NULL, so that a row which has to stay (under
-- a hold, or because somebody else's row needs it) can be emptied.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE accounts (
    id       bigint PRIMARY KEY,
    name     text NOT NULL,
    domain   text NOT NULL,
    chat_key text NOT NULL UNIQUE,
    country  text NOT NULL
);

CREATE TABLE agents (
    id         bigint PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts,
    name       text NOT NULL,
    email      text NOT NULL
);
CREATE INDEX agents_account_id_idx ON agents (account_id);

CREATE TABLE contacts (
    id             bigint PRIMARY KEY,
    account_id     bigint NOT NULL REFERENCES accounts,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    name           text,
    surname        text,
    email          text,
    phone          text,
    social_account text,
    note           text,
    gdpr_approved  boolean,
    properties     jsonb
);
CREATE INDEX contacts_account_id_idx ON contacts (account_id);
-- Serves `match: fold`: PNG1@EXAMPLE.ORG and png1@example.org are found together.
CREATE INDEX contacts_email_idx ON contacts (lower(email));
-- Serves `match: e164`: +44 7700 900087 is found as +447700900087.
CREATE INDEX contacts_phone_idx ON contacts (regexp_replace(phone, '[^0-9+]', '', 'g'));

CREATE TABLE visitors (
    id                    text PRIMARY KEY, -- the value of the cookie ssupp.vid
    account_id            bigint NOT NULL REFERENCES accounts,
    contact_id            bigint REFERENCES contacts, -- NULL until recognised
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    visits                integer,
    user_agent            text,
    browser               text,
    browser_version       text,
    os                    text,
    location_country      text,
    location_country_code text,
    location_city         text
);
CREATE INDEX visitors_account_id_idx ON visitors (account_id);
CREATE INDEX visitors_contact_id_idx ON visitors (contact_id);

CREATE TABLE visits (
    id                    bigint PRIMARY KEY,
    account_id            bigint NOT NULL REFERENCES accounts,
    visitor_id            text REFERENCES visitors, -- NULL once unlinked by a retention rule
    visited_at            timestamptz NOT NULL,
    page_url              text,
    referrer              text,
    ip                    inet,
    user_agent            text,
    screen                text,
    location_country_code text,
    location_city         text
);
CREATE INDEX visits_account_id_idx ON visits (account_id);
CREATE INDEX visits_visitor_id_idx ON visits (visitor_id);
CREATE INDEX visits_visited_at_idx ON visits (visited_at);

CREATE TABLE identifiers (
    id           bigint PRIMARY KEY,
    account_id   bigint NOT NULL REFERENCES accounts,
    visitor_id   text REFERENCES visitors,
    name         text NOT NULL, -- of the cookie or the key in local storage
    storage      text NOT NULL CHECK (storage IN ('cookie', 'local_storage')),
    value        text,
    issued_at    timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL
);
CREATE INDEX identifiers_account_id_idx ON identifiers (account_id);
CREATE INDEX identifiers_visitor_id_idx ON identifiers (visitor_id);
CREATE INDEX identifiers_issued_at_idx ON identifiers (issued_at);
-- Finds the rows that still hold the value of an identifier about to expire.
CREATE INDEX identifiers_value_idx ON identifiers USING hash (value);

CREATE TABLE consents (
    id           bigint PRIMARY KEY,
    visitor_id   text NOT NULL REFERENCES visitors,
    category     text NOT NULL,
    granted_at   timestamptz NOT NULL,
    withdrawn_at timestamptz
);
CREATE INDEX consents_visitor_id_idx ON consents (visitor_id);

CREATE TABLE conversations (
    id                    text PRIMARY KEY,
    account_id            bigint NOT NULL REFERENCES accounts,
    contact_id            bigint REFERENCES contacts,
    visitor_id            text REFERENCES visitors,
    status                text NOT NULL CHECK (status IN ('open', 'pending', 'closed')),
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    assigned_agent_id     bigint REFERENCES agents,
    rating_value          smallint,
    domain                text NOT NULL,
    location_country_code text,
    location_city         text,
    location_ip           inet
);
CREATE INDEX conversations_account_id_idx ON conversations (account_id);
CREATE INDEX conversations_contact_id_idx ON conversations (contact_id);
CREATE INDEX conversations_visitor_id_idx ON conversations (visitor_id);
CREATE INDEX conversations_assigned_agent_id_idx ON conversations (assigned_agent_id);

CREATE TABLE messages (
    id              bigint PRIMARY KEY,
    conversation_id text NOT NULL REFERENCES conversations,
    type            text NOT NULL,
    sub_type        text NOT NULL CHECK (sub_type IN ('contact', 'agent')),
    agent_id        bigint REFERENCES agents,
    content_text    text,
    created_at      timestamptz NOT NULL,
    page_url        text
);
CREATE INDEX messages_conversation_id_idx ON messages (conversation_id);
CREATE INDEX messages_agent_id_idx ON messages (agent_id);
-- What people wrote is searched for the addresses and numbers of others (mentions).
CREATE INDEX messages_content_text_idx ON messages USING gin (content_text gin_trgm_ops);
CREATE INDEX messages_content_digits_idx ON messages USING gin (regexp_replace(content_text, '[^0-9+]', '', 'g') gin_trgm_ops);

CREATE TABLE attachments (
    id         bigint PRIMARY KEY,
    message_id bigint NOT NULL REFERENCES messages,
    file_name  text,
    file_type  text,
    size       bigint,
    object_key text UNIQUE
);
CREATE INDEX attachments_message_id_idx ON attachments (message_id);
