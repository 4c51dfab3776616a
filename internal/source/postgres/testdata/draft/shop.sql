-- A shop. Facts (tables, columns, keys) after Spree's public migrations
-- (github.com/spree/spree, core/db/migrate) as known to the authors, abridged; hardly any foreign
-- keys; the rows are made up. Behind a column stands what a person calls it.
CREATE TABLE spree_countries (id bigserial PRIMARY KEY, iso_name varchar, iso varchar NOT NULL, name varchar);
CREATE TABLE spree_states (id bigserial PRIMARY KEY, name varchar, abbr varchar, country_id bigint);
CREATE TABLE spree_stores (id bigserial PRIMARY KEY, name varchar, url varchar, mail_from_address varchar, customer_support_email varchar, default_currency varchar);
CREATE TABLE spree_users (
  id bigserial PRIMARY KEY,
  email varchar, --= user.contact.email
  encrypted_password varchar(128), --= user.authorization.password
  login varchar, --= user.account.username
  first_name varchar, --= user.name.first
  last_name varchar, --= user.name.last
  current_sign_in_ip varchar, --= user.device.ip_address
  last_sign_in_ip varchar, --= user.device.ip_address
  ship_address_id bigint, bill_address_id bigint,
  sign_in_count int NOT NULL DEFAULT 0,
  spree_api_key varchar(48), --= user.authorization.credentials
  created_at timestamp);
CREATE TABLE spree_addresses (
  id bigserial PRIMARY KEY,
  firstname varchar, --= user.name.first
  lastname varchar, --= user.name.last
  address1 varchar, --= user.contact.address.street
  address2 varchar, --= user.contact.address.street
  city varchar, --= user.contact.address.city
  zipcode varchar, --= user.contact.address.postal_code
  phone varchar, --= user.contact.phone_number
  state_name varchar, --= user.contact.address.state
  alternative_phone varchar, --= user.contact.phone_number
  company varchar, --= user.contact.organization
  state_id bigint, country_id bigint, user_id bigint, label varchar);
CREATE TABLE spree_orders (
  id bigserial PRIMARY KEY,
  number varchar(32) UNIQUE,
  item_total numeric(10,2) NOT NULL DEFAULT 0, total numeric(10,2) NOT NULL DEFAULT 0,
  state varchar, user_id bigint, completed_at timestamp,
  bill_address_id bigint, ship_address_id bigint,
  email varchar, --= user.contact.email
  special_instructions text, --= user.content.private
  currency varchar,
  last_ip_address varchar, --= user.device.ip_address
  created_by_id bigint, approver_id bigint, canceler_id bigint, store_id bigint,
  token varchar); --= user.authorization.credentials
CREATE TABLE spree_products (id bigserial PRIMARY KEY, name varchar NOT NULL, description text, slug varchar);
CREATE TABLE spree_variants (id bigserial PRIMARY KEY, sku varchar NOT NULL, product_id bigint, weight numeric);
CREATE TABLE spree_line_items (id bigserial PRIMARY KEY, variant_id bigint, order_id bigint, quantity int NOT NULL, price numeric NOT NULL);
CREATE TABLE spree_credit_cards (
  id bigserial PRIMARY KEY, month varchar, year varchar, cc_type varchar,
  last_digits varchar, --= user.financial.credit_card
  address_id bigint, gateway_customer_profile_id varchar,
  name varchar, --= user.name
  user_id bigint, payment_method_id bigint);
CREATE TABLE spree_payment_methods (id bigserial PRIMARY KEY, type varchar, name varchar, description text, active boolean);
CREATE TABLE spree_payments (id bigserial PRIMARY KEY, amount numeric NOT NULL, order_id bigint, source_type varchar, source_id bigint, payment_method_id bigint, state varchar, number varchar);
CREATE TABLE spree_shipments (id bigserial PRIMARY KEY, tracking varchar, number varchar, cost numeric, order_id bigint, address_id bigint, state varchar);
CREATE TABLE spree_store_credits (id bigserial PRIMARY KEY, user_id bigint, category_id bigint, created_by_id bigint, amount numeric NOT NULL,
  memo text); --= user.content.private
CREATE TABLE spree_role_users (id bigserial PRIMARY KEY, role_id bigint, user_id bigint);
CREATE TABLE spree_roles (id bigserial PRIMARY KEY, name varchar);
CREATE TABLE spree_wishlists (id bigserial PRIMARY KEY, user_id bigint, store_id bigint,
  name varchar, --= user.content.private
  token varchar NOT NULL); --= user.authorization.credentials
INSERT INTO spree_countries VALUES (1, 'NORWAY', 'NO', 'Norway');
INSERT INTO spree_stores VALUES (1, 'Lemons', 'lemons.example', 'shop@lemons.example', 'help@lemons.example', 'EUR');
INSERT INTO spree_addresses (id, firstname, lastname, address1, city, zipcode, phone, country_id, user_id) VALUES
  (1, 'Mara', 'Quist', 'Lemon Row 1', 'Bergen', '5003', '+47 22 33 44 55', 1, 1), (2, 'Odo', 'Brandt', 'Plum St 2', 'Oslo', '0150', '+47 22 33 44 56', 1, 2),
  (3, 'Mara', 'Quist', 'Lemon Row 9', 'Bergen', '5003', NULL, 1, NULL), (4, 'Ines', 'Vale', 'Fig Av 3', 'Oslo', '0150', NULL, 1, NULL);
INSERT INTO spree_users (id, email, ship_address_id, bill_address_id) VALUES (1, 'mara@x.example', 1, 1), (2, 'odo@x.example', 2, 2), (3, 'staff@lemons.example', NULL, NULL);
INSERT INTO spree_products (id, name) VALUES (1, 'Lemon');
INSERT INTO spree_variants (id, sku, product_id) VALUES (1, 'L1', 1);
INSERT INTO spree_orders (id, number, user_id, bill_address_id, ship_address_id, email, approver_id, created_by_id) VALUES
  (1, 'R1', 1, 1, 1, 'mara@x.example', 3, 1), (2, 'R2', 2, 2, 2, 'odo@x.example', 1, 1), (3, 'R3', NULL, 3, 3, 'mara@x.example', NULL, NULL), (4, 'R4', NULL, 4, 4, 'ines@x.example', NULL, NULL);
INSERT INTO spree_line_items (variant_id, order_id, quantity, price) VALUES (1, 1, 1, 2), (1, 1, 2, 2), (1, 2, 1, 2), (1, 3, 5, 2), (1, 4, 1, 2);
INSERT INTO spree_payment_methods (id, name) VALUES (1, 'Card');
INSERT INTO spree_credit_cards (id, user_id, payment_method_id, last_digits, name) VALUES (1, 1, 1, '4242', 'Mara Quist'), (2, 2, 1, '1111', 'Odo Brandt');
INSERT INTO spree_payments (amount, order_id, source_type, source_id, payment_method_id) VALUES (4, 1, 'Spree::CreditCard', 1, 1), (2, 2, 'Spree::CreditCard', 2, 1);
INSERT INTO spree_shipments (order_id, address_id) VALUES (1, 1), (2, 2), (3, 3);
INSERT INTO spree_store_credits (user_id, created_by_id, amount) VALUES (1, 3, 5), (2, 1, 5);
INSERT INTO spree_role_users (role_id, user_id) VALUES (1, 1), (1, 2);
INSERT INTO spree_wishlists (user_id, store_id, name, token) VALUES (1, 1, 'w', 't1'), (2, 1, 'v', 't2');
--? mara@x.example: spree_users 1, spree_addresses 2, spree_orders 2, spree_line_items 3, spree_credit_cards 1, spree_payments 1, spree_shipments 2, spree_store_credits 1, spree_role_users 1, spree_wishlists 1
