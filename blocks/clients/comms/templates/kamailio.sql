-- What Kamailio 5.6 needs beside the directory's own tables. It asks `version` for a table's before it reads the table.
CREATE TABLE IF NOT EXISTS version (
    id SERIAL PRIMARY KEY,
    table_name VARCHAR(32) NOT NULL UNIQUE,
    table_version INTEGER NOT NULL DEFAULT 0
);
INSERT INTO version (table_name, table_version)
VALUES ('version', 1), ('subscriber_active', 7), ('dialog', 7), ('dialog_vars', 1)
ON CONFLICT DO NOTHING;

CREATE UNIQUE INDEX IF NOT EXISTS subscriber_account_idx ON subscriber (username, domain);
-- Kamailio checks a user name that names its domain by `ha1b`, whatever domain that is: nobody's answer may ever fit.
CREATE OR REPLACE VIEW subscriber_active AS
SELECT username, domain, password, ha1, replace(gen_random_uuid()::text, '-', '')::varchar(128) AS ha1b
FROM subscriber WHERE active = 1;

CREATE TABLE IF NOT EXISTS dialog (
    id SERIAL PRIMARY KEY,
    hash_entry INTEGER NOT NULL,
    hash_id INTEGER NOT NULL,
    callid VARCHAR(255) NOT NULL,
    from_uri VARCHAR(255) NOT NULL,
    from_tag VARCHAR(128) NOT NULL,
    to_uri VARCHAR(255) NOT NULL,
    to_tag VARCHAR(128) NOT NULL,
    caller_cseq VARCHAR(20) NOT NULL,
    callee_cseq VARCHAR(20) NOT NULL,
    caller_route_set VARCHAR(512),
    callee_route_set VARCHAR(512),
    caller_contact VARCHAR(255) NOT NULL,
    callee_contact VARCHAR(255) NOT NULL,
    caller_sock VARCHAR(64) NOT NULL,
    callee_sock VARCHAR(64) NOT NULL,
    state INTEGER NOT NULL,
    start_time INTEGER NOT NULL,
    timeout INTEGER NOT NULL DEFAULT 0,
    sflags INTEGER NOT NULL DEFAULT 0,
    iflags INTEGER NOT NULL DEFAULT 0,
    toroute_name VARCHAR(32),
    req_uri VARCHAR(255) NOT NULL,
    xdata VARCHAR(512)
);
CREATE INDEX IF NOT EXISTS dialog_hash_idx ON dialog (hash_entry, hash_id);

CREATE TABLE IF NOT EXISTS dialog_vars (
    id SERIAL PRIMARY KEY,
    hash_entry INTEGER NOT NULL,
    hash_id INTEGER NOT NULL,
    dialog_key VARCHAR(128) NOT NULL,
    dialog_value VARCHAR(512) NOT NULL
);
CREATE INDEX IF NOT EXISTS dialog_vars_hash_idx ON dialog_vars (hash_entry, hash_id);
