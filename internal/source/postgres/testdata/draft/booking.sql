-- A booking system, held out: the rules of the draft were not corrected by it. Facts
-- (tables, columns, keys; mixed-case names) after Cal.com's public schema
-- (github.com/calcom/cal.com, packages/prisma/schema.prisma) as known to the authors, abridged; the rows are
-- made up. Behind a column stands what a person called it before the draft was made.
CREATE TABLE "Team" (id serial PRIMARY KEY, name text NOT NULL, slug text, bio text, "logoUrl" text, "timeZone" text NOT NULL DEFAULT 'Europe/London', "parentId" int REFERENCES "Team");
CREATE TABLE users (
  id serial PRIMARY KEY,
  username text, --= user.account.username
  name text, --= user.name
  email text NOT NULL UNIQUE, --= user.contact.email
  "emailVerified" timestamp,
  bio text, --= user.content
  "avatarUrl" text, --= user.content.self_image
  "timeZone" text NOT NULL DEFAULT 'Europe/London', --= user.location.imprecise
  "weekStart" text NOT NULL DEFAULT 'Sunday', theme text, "defaultScheduleId" int,
  locale text, --= user.demographic.language
  "twoFactorSecret" text, --= user.authorization.credentials
  "backupCodes" text, --= user.authorization.credentials
  "identityProvider" text NOT NULL DEFAULT 'CAL', "identityProviderId" text, "organizationId" int REFERENCES "Team" ON DELETE SET NULL,
  metadata jsonb, --= user
  created timestamp NOT NULL DEFAULT now(), UNIQUE (email, username));
CREATE TABLE "UserPassword" (
  hash text NOT NULL, --= user.authorization.password
  "userId" int NOT NULL UNIQUE REFERENCES users ON DELETE CASCADE);
CREATE TABLE "Profile" (
  id serial PRIMARY KEY, uid text NOT NULL, "userId" int NOT NULL REFERENCES users ON DELETE CASCADE, "organizationId" int NOT NULL REFERENCES "Team" ON DELETE CASCADE,
  username text NOT NULL, --= user.account.username
  "createdAt" timestamp NOT NULL DEFAULT now());
CREATE TABLE "Membership" (id serial PRIMARY KEY, "teamId" int NOT NULL REFERENCES "Team" ON DELETE CASCADE, "userId" int NOT NULL REFERENCES users ON DELETE CASCADE, accepted boolean NOT NULL DEFAULT false, role text NOT NULL);
CREATE TABLE "VerificationToken" (
  id serial PRIMARY KEY,
  identifier text NOT NULL, --= user.contact.email
  token text NOT NULL UNIQUE, --= user.authorization.credentials
  expires timestamp NOT NULL, "teamId" int REFERENCES "Team");
CREATE TABLE "ResetPasswordRequest" (
  id text PRIMARY KEY, "createdAt" timestamp NOT NULL DEFAULT now(),
  email text NOT NULL, --= user.contact.email
  expires timestamp NOT NULL);
CREATE TABLE "Schedule" (
  id serial PRIMARY KEY, "userId" int NOT NULL REFERENCES users ON DELETE CASCADE, name text NOT NULL,
  "timeZone" text); --= user.location.imprecise
CREATE TABLE "EventType" (
  id serial PRIMARY KEY, title text NOT NULL, slug text NOT NULL, description text, length int NOT NULL, "userId" int REFERENCES users ON DELETE CASCADE,
  "teamId" int REFERENCES "Team" ON DELETE CASCADE, "scheduleId" int REFERENCES "Schedule", price int NOT NULL DEFAULT 0, currency text NOT NULL DEFAULT 'usd');
CREATE TABLE "Availability" (
  id serial PRIMARY KEY, "userId" int REFERENCES users ON DELETE CASCADE, "eventTypeId" int REFERENCES "EventType", days int[], "startTime" time NOT NULL, "endTime" time NOT NULL,
  "scheduleId" int REFERENCES "Schedule");
CREATE TABLE "Credential" (
  id serial PRIMARY KEY, type text NOT NULL,
  key jsonb NOT NULL, --= user.authorization.credentials
  "userId" int REFERENCES users ON DELETE CASCADE, "teamId" int REFERENCES "Team" ON DELETE CASCADE, "appId" text, invalid boolean DEFAULT false);
CREATE TABLE "SelectedCalendar" (
  id text PRIMARY KEY, "userId" int NOT NULL REFERENCES users ON DELETE CASCADE, integration text NOT NULL,
  "externalId" text NOT NULL, --= user.contact.email
  "credentialId" int REFERENCES "Credential" ON DELETE CASCADE);
CREATE TABLE "DestinationCalendar" (
  id serial PRIMARY KEY, integration text NOT NULL,
  "externalId" text NOT NULL, --= user.contact.email
  "primaryEmail" text, --= user.contact.email
  "userId" int UNIQUE REFERENCES users ON DELETE CASCADE, "credentialId" int REFERENCES "Credential" ON DELETE CASCADE);
CREATE TABLE "Booking" (
  id serial PRIMARY KEY, uid text NOT NULL UNIQUE, "userId" int REFERENCES users ON DELETE CASCADE,
  "userPrimaryEmail" text, --= user.contact.email
  "eventTypeId" int REFERENCES "EventType",
  title text NOT NULL, --= user.content
  description text, --= user.content
  "customInputs" jsonb, --= user
  responses jsonb, --= user
  "startTime" timestamp NOT NULL, "endTime" timestamp NOT NULL, location text, "createdAt" timestamp NOT NULL DEFAULT now(), status text NOT NULL DEFAULT 'accepted',
  "destinationCalendarId" int REFERENCES "DestinationCalendar",
  "cancellationReason" text, --= user.content
  "rejectionReason" text, --= user.content
  "reassignById" int REFERENCES users,
  "smsReminderNumber" text, --= user.contact.phone_number
  metadata jsonb, rating int,
  "ratingFeedback" text, --= user.content
  "oneTimePassword" text UNIQUE, --= user.authorization
  "cancelledBy" text, --= user.contact.email
  "rescheduledBy" text); --= user.contact.email
CREATE TABLE "Attendee" (
  id serial PRIMARY KEY,
  email text NOT NULL, --= user.contact.email
  name text NOT NULL, --= user.name
  "timeZone" text NOT NULL, --= user.location.imprecise
  "phoneNumber" text, --= user.contact.phone_number
  locale text DEFAULT 'en', --= user.demographic.language
  "bookingId" int REFERENCES "Booking" ON DELETE CASCADE, "noShow" boolean DEFAULT false);
CREATE TABLE "BookingReference" (
  id serial PRIMARY KEY, type text NOT NULL, uid text NOT NULL, "meetingId" text,
  "meetingPassword" text, --= user.authorization
  "meetingUrl" text, "bookingId" int REFERENCES "Booking" ON DELETE CASCADE, "credentialId" int REFERENCES "Credential" ON DELETE SET NULL);
CREATE TABLE "Payment" (
  id serial PRIMARY KEY, uid text NOT NULL UNIQUE, "appId" text, "bookingId" int NOT NULL REFERENCES "Booking" ON DELETE CASCADE, amount int NOT NULL, fee int NOT NULL,
  currency text NOT NULL, success boolean NOT NULL,
  data jsonb NOT NULL, --= user.financial
  "externalId" text NOT NULL UNIQUE);
CREATE TABLE "Webhook" (id text PRIMARY KEY, "userId" int REFERENCES users ON DELETE CASCADE, "teamId" int REFERENCES "Team" ON DELETE CASCADE, "subscriberUrl" text NOT NULL, "payloadTemplate" text, active boolean NOT NULL DEFAULT true, secret text);
INSERT INTO "Team" (id, name) VALUES (1, 'Lemons');
INSERT INTO users (id, username, name, email, locale) VALUES (1, 'mara', 'Mara Quist', 'mara@x.example', 'nb'), (2, 'odo', 'Odo Quist', 'odo@x.example', 'en');
INSERT INTO "UserPassword" VALUES ('$2a$x', 1), ('$2a$y', 2);
INSERT INTO "Profile" (uid, "userId", "organizationId", username) VALUES ('p1', 1, 1, 'mara'), ('p2', 2, 1, 'odo');
INSERT INTO "Membership" ("teamId", "userId", role) VALUES (1, 1, 'OWNER'), (1, 2, 'MEMBER');
INSERT INTO "VerificationToken" (identifier, token, expires) VALUES ('mara@x.example', 'v1', now()), ('odo@x.example', 'v2', now());
INSERT INTO "ResetPasswordRequest" VALUES ('r1', now(), 'mara@x.example', now()), ('r2', now(), 'odo@x.example', now());
INSERT INTO "Schedule" (id, "userId", name) VALUES (1, 1, 'Working hours'), (2, 2, 'Working hours');
INSERT INTO "EventType" (id, title, slug, length, "userId", "scheduleId") VALUES (1, '30 minutes', '30min', 30, 1, 1), (2, '15 minutes', '15min', 15, 2, 2);
INSERT INTO "Availability" ("userId", days, "startTime", "endTime", "scheduleId") VALUES (1, '{1,2}', '09:00', '17:00', 1), (2, '{3}', '09:00', '17:00', 2);
INSERT INTO "Credential" (id, type, key, "userId") VALUES (1, 'google_calendar', '{"token": "x"}', 1), (2, 'google_calendar', '{"token": "y"}', 2);
INSERT INTO "SelectedCalendar" VALUES ('s1', 1, 'google_calendar', 'mara@x.example', 1), ('s2', 2, 'google_calendar', 'odo@x.example', 2);
INSERT INTO "DestinationCalendar" (id, integration, "externalId", "primaryEmail", "userId", "credentialId") VALUES
  (1, 'google_calendar', 'mara@x.example', 'mara@x.example', 1, 1), (2, 'google_calendar', 'odo@x.example', 'odo@x.example', 2, 2);
-- Mara is the host of the first booking, and a guest in Odo's second; the third is Odo's alone.
INSERT INTO "Booking" (id, uid, "userId", "userPrimaryEmail", "eventTypeId", title, "startTime", "endTime", "destinationCalendarId") VALUES
  (1, 'b1', 1, 'mara@x.example', 1, '30 minutes between Mara and Ben', now(), now(), 1),
  (2, 'b2', 2, 'odo@x.example', 2, '15 minutes between Odo and Mara', now(), now(), 2),
  (3, 'b3', 2, 'odo@x.example', 2, '15 minutes between Odo and Ben', now(), now(), 2);
INSERT INTO "Attendee" (email, name, "timeZone", "phoneNumber", "bookingId") VALUES
  ('ben@x.example', 'Ben Lund', 'Europe/Oslo', NULL, 1), ('mara@x.example', 'Mara Quist', 'Europe/Oslo', '+4722334455', 2), ('ben@x.example', 'Ben Lund', 'Europe/Oslo', NULL, 3);
INSERT INTO "BookingReference" (type, uid, "bookingId", "credentialId") VALUES ('google_calendar', 'g1', 1, 1), ('google_calendar', 'g2', 2, 2), ('google_calendar', 'g3', 3, 2);
INSERT INTO "Payment" (uid, "bookingId", amount, fee, currency, success, data, "externalId") VALUES ('p1', 2, 100, 1, 'nok', true, '{}', 'e1'), ('p2', 3, 100, 1, 'nok', true, '{}', 'e2');
--? mara@x.example: users 1, UserPassword 1, Profile 1, Membership 1, VerificationToken 1, ResetPasswordRequest 1, Schedule 1, EventType 1, Availability 1, Credential 1, SelectedCalendar 1, DestinationCalendar 1, Booking 2, Attendee 1, BookingReference 2, Payment 1
