-- A chat for support. Facts (tables, columns, keys) after Chatwoot's public
-- migrations (github.com/chatwoot/chatwoot, db/schema.rb) as known to the authors, abridged; hardly any foreign
-- keys; the rows are made up. Behind a column stands what a person calls it.
CREATE TABLE accounts (id serial PRIMARY KEY, name varchar NOT NULL, domain varchar, support_email varchar(100), locale int);
CREATE TABLE users (
  id serial PRIMARY KEY, provider varchar NOT NULL DEFAULT 'email', uid varchar NOT NULL DEFAULT '',
  encrypted_password varchar NOT NULL DEFAULT '', --= user.authorization.password
  current_sign_in_ip varchar, --= user.device.ip_address
  name varchar NOT NULL, --= user.name
  display_name varchar, --= user.name
  email varchar, --= user.contact.email
  message_signature text, --= user.content.private
  created_at timestamp NOT NULL DEFAULT now());
CREATE TABLE account_users (id bigserial PRIMARY KEY, account_id bigint REFERENCES accounts, user_id bigint REFERENCES users, role int, inviter_id bigint);
CREATE TABLE contacts (
  id serial PRIMARY KEY,
  name varchar DEFAULT '', --= user.name
  email varchar, --= user.contact.email
  phone_number varchar, --= user.contact.phone_number
  account_id int NOT NULL,
  additional_attributes jsonb DEFAULT '{}', --= user
  identifier varchar,
  last_name varchar DEFAULT '', --= user.name.last
  middle_name varchar DEFAULT '', --= user.name
  location varchar DEFAULT '', --= user.location.imprecise
  country_code varchar DEFAULT '', --= user.contact.address.country
  blocked boolean NOT NULL DEFAULT false);
CREATE TABLE inboxes (id serial PRIMARY KEY, channel_id int NOT NULL, account_id int NOT NULL, name varchar NOT NULL, channel_type varchar, email_address varchar);
CREATE TABLE contact_inboxes (id bigserial PRIMARY KEY, contact_id bigint, inbox_id bigint, source_id text NOT NULL, pubsub_token varchar); --= user.authorization.credentials
CREATE TABLE conversations (id serial PRIMARY KEY, account_id int NOT NULL, inbox_id int NOT NULL, status int NOT NULL DEFAULT 0, assignee_id int, contact_id bigint, display_id int NOT NULL, contact_inbox_id bigint, team_id bigint);
CREATE TABLE messages (
  id serial PRIMARY KEY,
  content text, --= user.content
  account_id int NOT NULL, inbox_id int NOT NULL, conversation_id int NOT NULL, message_type int NOT NULL, sender_type varchar, sender_id bigint);
CREATE TABLE attachments (id serial PRIMARY KEY, file_type int DEFAULT 0, external_url varchar, message_id int NOT NULL, account_id int NOT NULL);
CREATE TABLE notes (
  id bigserial PRIMARY KEY,
  content text NOT NULL, --= user.content
  account_id bigint NOT NULL, contact_id bigint NOT NULL, user_id bigint);
CREATE TABLE csat_survey_responses (
  id bigserial PRIMARY KEY, account_id bigint NOT NULL, conversation_id bigint NOT NULL, message_id bigint NOT NULL, rating int NOT NULL,
  feedback_message text, --= user.content
  contact_id bigint NOT NULL, assigned_agent_id bigint);
CREATE TABLE conversation_participants (id bigserial PRIMARY KEY, account_id bigint NOT NULL, user_id bigint NOT NULL, conversation_id bigint NOT NULL);
CREATE TABLE teams (id bigserial PRIMARY KEY, name varchar NOT NULL, description text, account_id bigint NOT NULL REFERENCES accounts);
CREATE TABLE team_members (id bigserial PRIMARY KEY, team_id bigint NOT NULL REFERENCES teams, user_id bigint NOT NULL REFERENCES users);
CREATE TABLE canned_responses (id serial PRIMARY KEY, account_id int NOT NULL, short_code varchar, content text);
CREATE TABLE channel_email (id bigserial PRIMARY KEY, account_id int NOT NULL, email varchar NOT NULL, forward_to_email varchar NOT NULL, imap_login varchar);
INSERT INTO accounts VALUES (1, 'Lemons', NULL, 'help@lemons.example', 0);
INSERT INTO users (id, name, email) VALUES (1, 'Staff One', 'one@lemons.example'), (2, 'Staff Two', 'two@lemons.example');
INSERT INTO account_users (account_id, user_id) VALUES (1, 1), (1, 2);
INSERT INTO contacts (id, name, email, phone_number, account_id) VALUES (1, 'Mara', 'mara@x.example', '+4722334455', 1), (2, 'Odo', 'odo@x.example', '+4722334456', 1);
INSERT INTO inboxes VALUES (1, 1, 1, 'Web', 'Channel::WebWidget', NULL);
INSERT INTO contact_inboxes (id, contact_id, inbox_id, source_id) VALUES (1, 1, 1, 's1'), (2, 2, 1, 's2');
INSERT INTO conversations (id, account_id, inbox_id, assignee_id, contact_id, display_id, contact_inbox_id) VALUES (1, 1, 1, 1, 1, 1, 1), (2, 1, 1, 1, 2, 2, 2), (3, 1, 1, 2, 1, 3, 1);
INSERT INTO messages (id, content, account_id, inbox_id, conversation_id, message_type, sender_type, sender_id) VALUES
  (1, 'hello', 1, 1, 1, 0, 'Contact', 1), (2, 'hi', 1, 1, 1, 1, 'User', 1), (3, 'me', 1, 1, 2, 0, 'Contact', 2), (4, 'again', 1, 1, 3, 0, 'Contact', 1);
INSERT INTO attachments (message_id, account_id) VALUES (1, 1), (3, 1);
INSERT INTO notes (content, account_id, contact_id, user_id) VALUES ('n', 1, 1, 1), ('m', 1, 2, 1);
INSERT INTO csat_survey_responses (account_id, conversation_id, message_id, rating, contact_id, assigned_agent_id) VALUES (1, 1, 2, 5, 1, 1), (1, 2, 3, 1, 2, 1);
INSERT INTO conversation_participants (account_id, user_id, conversation_id) VALUES (1, 1, 1), (1, 2, 2);
INSERT INTO channel_email (account_id, email, forward_to_email) VALUES (1, 'in@lemons.example', 'fw@lemons.example');
--? mara@x.example: contacts 1, contact_inboxes 1, conversations 2, messages 3, attachments 1, notes 1, csat_survey_responses 1
