-- What a view keeps. Everything here is folded from the ledger and can be thrown away.
-- Words of the model are kept as the words they are; times as milliseconds since 1970, UTC.

-- Which log, up to where, and the SHA-256 of the last entry folded: one row.
CREATE TABLE position (
  log  TEXT    NOT NULL,
  next INTEGER NOT NULL,
  last BLOB    NOT NULL
) STRICT;

CREATE TABLE staff (
  no     INTEGER PRIMARY KEY,
  staff  TEXT NOT NULL UNIQUE,
  record INTEGER REFERENCES staff_records,  -- the one in force
  status TEXT
) STRICT;

CREATE TABLE staff_records (
  idx           INTEGER PRIMARY KEY,
  time          INTEGER NOT NULL,
  staff         INTEGER NOT NULL REFERENCES staff,
  role          TEXT    NOT NULL,
  team          TEXT    NOT NULL,
  employer      TEXT    NOT NULL,
  site          TEXT,
  status        TEXT    NOT NULL,
  cleared_until INTEGER
) STRICT;
CREATE INDEX staff_records_of_staff ON staff_records (staff);

-- Customers who are not erased. `no` is the place where the ledger first named them.
CREATE TABLE customers (
  no       INTEGER PRIMARY KEY,
  app      TEXT NOT NULL,  -- '' where the entry does not say
  customer TEXT NOT NULL,
  tier     TEXT,
  UNIQUE (customer, app)
) STRICT;

CREATE TABLE sessions (
  idx       INTEGER PRIMARY KEY,
  session   TEXT    NOT NULL UNIQUE,
  staff     INTEGER NOT NULL REFERENCES staff,
  door      TEXT    NOT NULL,
  opened    INTEGER NOT NULL,
  expires   INTEGER NOT NULL,
  ended_idx INTEGER,
  ended     INTEGER,
  ended_how TEXT,  -- closed, revoked, inactive
  ended_why TEXT   -- the end of a session, the reason for revocation, the staff status
) STRICT;
CREATE INDEX sessions_of_staff ON sessions (staff);

-- One row an entry, by its number. Numbers follow time, so this table is clustered by time: a month
-- is one contiguous stretch of it.
CREATE TABLE entries (
  idx          INTEGER PRIMARY KEY,
  time         INTEGER NOT NULL,
  kind         TEXT    NOT NULL,
  staff        INTEGER REFERENCES staff,
  record       INTEGER REFERENCES staff_records,  -- the one in force at that time
  session      TEXT,
  app          TEXT,
  customer     INTEGER REFERENCES customers,      -- none if erased
  ticket       TEXT,                              -- none if the customer is erased
  purpose      TEXT,
  response     TEXT,
  grant_id     TEXT,
  proposal     TEXT,
  action       TEXT,
  evidence     TEXT,
  tier         TEXT,
  classes      INTEGER,
  rows         INTEGER,
  mode         TEXT,
  would_mask   INTEGER,
  would_refuse TEXT,                              -- of a look: that of its grant
  why          TEXT,
  entry        BLOB    NOT NULL                   -- the entry itself, as the ledger encodes it
) STRICT;
CREATE INDEX entries_by_time     ON entries (time);
CREATE INDEX entries_of_staff    ON entries (staff)    WHERE staff IS NOT NULL;
CREATE INDEX entries_of_session  ON entries (session)  WHERE session IS NOT NULL;
CREATE INDEX entries_of_customer ON entries (customer) WHERE customer IS NOT NULL;
CREATE INDEX grants              ON entries (grant_id) WHERE kind = 'grant_issued';
CREATE INDEX proposals           ON entries (proposal) WHERE kind = 'proposed';
CREATE INDEX revocations         ON entries (idx)      WHERE kind = 'revoked';
CREATE INDEX marks               ON entries (idx)      WHERE kind = 'mark_issued';

-- The customers in a list, row by row.
CREATE TABLE listed (
  idx      INTEGER NOT NULL REFERENCES entries,
  row      INTEGER NOT NULL,
  customer INTEGER REFERENCES customers,  -- none if erased
  PRIMARY KEY (idx, row)
) STRICT, WITHOUT ROWID;
CREATE INDEX listed_of_customer ON listed (customer) WHERE customer IS NOT NULL;
