-- A forum. Facts (tables, columns, keys) after Discourse's public migrations
-- (github.com/discourse/discourse, db/migrate) as known to the authors, abridged; no foreign keys;
-- the rows are made up. Behind a column stands what a person calls it.
CREATE TABLE users (
  id serial PRIMARY KEY,
  username varchar(60) NOT NULL UNIQUE, --= user.account.username
  username_lower varchar(60) NOT NULL UNIQUE, --= user.account.username
  name varchar, --= user.name
  password_hash varchar(64), --= user.authorization.password
  salt varchar(32), --= user.authorization.credentials
  active boolean NOT NULL DEFAULT true,
  created_at timestamp NOT NULL DEFAULT now(),
  last_seen_at timestamp,
  ip_address inet, --= user.device.ip_address
  registration_ip_address inet, --= user.device.ip_address
  date_of_birth date, --= user.demographic.date_of_birth
  locale varchar(10), --= user.demographic.language
  title varchar, --= user.content.private
  trust_level int NOT NULL DEFAULT 0,
  approved_by_id int,
  primary_group_id int);
CREATE TABLE user_emails (
  id serial PRIMARY KEY,
  user_id int NOT NULL,
  email varchar(513) NOT NULL UNIQUE, --= user.contact.email
  "primary" boolean NOT NULL DEFAULT false,
  created_at timestamp NOT NULL DEFAULT now());
CREATE TABLE user_profiles (
  user_id int PRIMARY KEY,
  location varchar, --= user.location.imprecise
  website varchar, --= user.contact.url
  bio_raw text, --= user.content.private
  bio_cooked text, --= user.content.private
  views int NOT NULL DEFAULT 0);
CREATE TABLE user_auth_tokens (
  id serial PRIMARY KEY, user_id int NOT NULL,
  auth_token varchar NOT NULL UNIQUE, --= user.authorization.credentials
  user_agent varchar, --= user.device
  client_ip inet, --= user.device.ip_address
  seen_at timestamp);
CREATE TABLE groups (id serial PRIMARY KEY, name varchar NOT NULL UNIQUE, email_username varchar, incoming_email varchar);
CREATE TABLE group_users (id serial PRIMARY KEY, group_id int NOT NULL, user_id int NOT NULL, owner boolean NOT NULL DEFAULT false);
CREATE TABLE categories (id serial PRIMARY KEY, name varchar(50) NOT NULL, topic_id int, user_id int NOT NULL, slug varchar NOT NULL);
CREATE TABLE topics (
  id serial PRIMARY KEY,
  title varchar NOT NULL, --= user.content
  user_id int, category_id int, last_post_user_id int NOT NULL, deleted_by_id int,
  excerpt varchar, --= user.content
  views int NOT NULL DEFAULT 0);
CREATE TABLE posts (
  id serial PRIMARY KEY, user_id int, topic_id int NOT NULL, post_number int NOT NULL,
  raw text NOT NULL, --= user.content
  cooked text NOT NULL, --= user.content
  reply_to_user_id int, deleted_by_id int, last_editor_id int, locked_by_id int);
CREATE TABLE post_actions (id serial PRIMARY KEY, post_id int NOT NULL, user_id int NOT NULL, post_action_type_id int NOT NULL, deleted_by_id int);
CREATE TABLE bookmarks (id serial PRIMARY KEY, user_id int NOT NULL, bookmarkable_id int, bookmarkable_type varchar,
  name varchar(100)); --= user.content.private
CREATE TABLE topic_links (id serial PRIMARY KEY, topic_id int NOT NULL, post_id int, user_id int NOT NULL, url varchar NOT NULL);
CREATE TABLE search_logs (id serial PRIMARY KEY,
  term varchar NOT NULL, --= user.behavior.search_history
  user_id int,
  ip_address inet, --= user.device.ip_address
  created_at timestamp NOT NULL DEFAULT now());
CREATE TABLE tags (id serial PRIMARY KEY, name varchar NOT NULL);
CREATE TABLE topic_tags (id serial PRIMARY KEY, topic_id int NOT NULL, tag_id int NOT NULL);
CREATE TABLE email_logs (id serial PRIMARY KEY,
  to_address varchar NOT NULL, --= user.contact.email
  email_type varchar NOT NULL, user_id int, post_id int);
INSERT INTO users (id, username, username_lower, name, last_seen_at) VALUES (1, 'Mara', 'mara', 'Mara Quist', now()), (2, 'Odo', 'odo', 'Odo Brandt', now()), (3, 'Ines', 'ines', 'Ines Vale', now());
INSERT INTO user_emails (user_id, email, "primary") VALUES (1, 'mara@x.example', true), (1, 'mara.old@x.example', false), (2, 'odo@x.example', true), (3, 'ines@x.example', true);
INSERT INTO user_profiles (user_id, bio_raw) VALUES (1, 'I grow lemons'), (2, 'I do not'), (3, 'Neither');
INSERT INTO user_auth_tokens (user_id, auth_token) VALUES (1, 'a'), (2, 'b');
INSERT INTO groups VALUES (1, 'gardeners', NULL, NULL);
INSERT INTO group_users (group_id, user_id) VALUES (1, 1), (1, 2);
INSERT INTO categories (id, name, user_id, slug) VALUES (1, 'Fruit', 3, 'fruit');
INSERT INTO topics (id, title, user_id, category_id, last_post_user_id) VALUES (1, 'Lemons', 1, 1, 2), (2, 'Plums', 2, 1, 1);
INSERT INTO posts (id, user_id, topic_id, post_number, raw, cooked, last_editor_id, deleted_by_id) VALUES
  (1, 1, 1, 1, 'x', 'x', 1, NULL), (2, 2, 1, 2, 'y', 'y', 1, NULL), (3, 2, 2, 1, 'z', 'z', 2, 1), (4, 1, 2, 2, 'w', 'w', 3, NULL);
INSERT INTO post_actions (post_id, user_id, post_action_type_id) VALUES (1, 2, 2), (3, 1, 2);
INSERT INTO bookmarks (user_id, bookmarkable_id, bookmarkable_type) VALUES (1, 3, 'Post'), (3, 1, 'Post');
INSERT INTO topic_links (topic_id, post_id, user_id, url) VALUES (1, 1, 1, 'https://a.example'), (1, 2, 2, 'https://b.example');
INSERT INTO search_logs (term, user_id) VALUES ('lemon', 1), ('plum', 2);
INSERT INTO email_logs (to_address, email_type, user_id) VALUES ('mara@x.example', 'digest', 1), ('odo@x.example', 'digest', 2);
--? mara@x.example: users 1, user_emails 2, user_profiles 1, user_auth_tokens 1, group_users 1, topics 1, posts 2, post_actions 1, bookmarks 1, topic_links 1, search_logs 1, email_logs 1
