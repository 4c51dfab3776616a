-- A newsletter tool, held out: the rules of the draft were not corrected by it. Facts
-- (tables, columns, keys) after listmonk's public schema (github.com/knadh/listmonk,
-- schema.sql); the rows are made up. Two tables have no key at all. Behind a column
-- stands what a person called it before the draft was made.
CREATE TYPE subscriber_status AS ENUM ('enabled', 'disabled', 'blocklisted');
CREATE TABLE subscribers (
  id serial PRIMARY KEY, uuid uuid NOT NULL UNIQUE,
  email text NOT NULL UNIQUE, --= user.contact.email
  name text NOT NULL, --= user.name
  attribs jsonb NOT NULL DEFAULT '{}', --= user
  status subscriber_status NOT NULL DEFAULT 'enabled', campaigns int[], created_at timestamptz DEFAULT now(), updated_at timestamptz);
CREATE TABLE lists (id serial PRIMARY KEY, uuid uuid NOT NULL UNIQUE, name text NOT NULL, type text NOT NULL, optin text NOT NULL DEFAULT 'single', tags varchar(100)[]);
CREATE TABLE subscriber_lists (
  subscriber_id int REFERENCES subscribers ON DELETE CASCADE, list_id int REFERENCES lists ON DELETE CASCADE,
  status text NOT NULL DEFAULT 'unconfirmed', created_at timestamptz DEFAULT now(), PRIMARY KEY (subscriber_id, list_id));
CREATE TABLE templates (id serial PRIMARY KEY, name text NOT NULL, body text NOT NULL, is_default boolean NOT NULL DEFAULT false);
CREATE TABLE campaigns (
  id serial PRIMARY KEY, uuid uuid NOT NULL UNIQUE, name text NOT NULL, subject text NOT NULL, from_email text NOT NULL, body text NOT NULL,
  send_at timestamptz, status text NOT NULL DEFAULT 'draft', tags varchar(100)[], messenger text NOT NULL, template_id int REFERENCES templates ON DELETE SET DEFAULT,
  to_send int NOT NULL DEFAULT 0, sent int NOT NULL DEFAULT 0, max_subscriber_id int NOT NULL DEFAULT 0, last_subscriber_id int NOT NULL DEFAULT 0);
CREATE TABLE campaign_lists (campaign_id int NOT NULL REFERENCES campaigns ON DELETE CASCADE, list_id int REFERENCES lists ON DELETE SET NULL, list_name text NOT NULL DEFAULT '');
CREATE UNIQUE INDEX ON campaign_lists (campaign_id, list_id);
CREATE TABLE campaign_views (campaign_id int NOT NULL REFERENCES campaigns ON DELETE CASCADE, subscriber_id int REFERENCES subscribers ON DELETE SET NULL, created_at timestamptz DEFAULT now());
CREATE TABLE media (id serial PRIMARY KEY, uuid uuid NOT NULL UNIQUE, provider text NOT NULL DEFAULT '', filename text NOT NULL, thumb text NOT NULL);
CREATE TABLE links (id serial PRIMARY KEY, uuid uuid NOT NULL UNIQUE, url text NOT NULL UNIQUE);
CREATE TABLE link_clicks (
  campaign_id int REFERENCES campaigns ON DELETE CASCADE, link_id int NOT NULL REFERENCES links ON DELETE CASCADE,
  subscriber_id int REFERENCES subscribers ON DELETE SET NULL, created_at timestamptz DEFAULT now());
CREATE TABLE settings (key text NOT NULL UNIQUE, value jsonb NOT NULL DEFAULT '{}', updated_at timestamptz DEFAULT now());
INSERT INTO subscribers (id, uuid, email, name, attribs) VALUES
  (1, '00000000-0000-4000-8000-000000000001', 'mara@x.example', 'Mara Quist', '{"town": "Oslo"}'),
  (2, '00000000-0000-4000-8000-000000000002', 'odo@x.example', 'Odo Quist', '{}');
INSERT INTO lists (id, uuid, name, type) VALUES (1, '00000000-0000-4000-8000-000000000011', 'News', 'public'), (2, '00000000-0000-4000-8000-000000000012', 'Offers', 'public');
INSERT INTO subscriber_lists VALUES (1, 1), (1, 2), (2, 1);
INSERT INTO templates (id, name, body) VALUES (1, 'Plain', '{{ template "content" . }}');
INSERT INTO campaigns (id, uuid, name, subject, from_email, body, messenger, template_id) VALUES
  (1, '00000000-0000-4000-8000-000000000021', 'Autumn', 'Autumn is here', 'News <news@lemons.example>', 'Leaves fall.', 'email', 1);
INSERT INTO campaign_lists VALUES (1, 1, 'News');
INSERT INTO campaign_views VALUES (1, 1), (1, 1), (1, 2), (1, NULL);
INSERT INTO links (id, uuid, url) VALUES (1, '00000000-0000-4000-8000-000000000031', 'https://lemons.example/autumn');
INSERT INTO link_clicks VALUES (1, 1, 1), (1, 1, 2);
INSERT INTO settings VALUES ('app.from_email', '"news@lemons.example"');
--? mara@x.example: subscribers 1, subscriber_lists 2, campaign_views 2, link_clicks 1
