-- +goose Up
-- By which plan each source was searched when the request was approved:
-- {source: sum}. NULL: not approved, or by a build that did not note it.
ALTER TABLE requests ADD COLUMN plan jsonb;
