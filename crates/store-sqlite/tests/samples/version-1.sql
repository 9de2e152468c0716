PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES('clean',1);
INSERT INTO meta VALUES('epoch',156231568593286);
INSERT INTO meta VALUES('life',1);
INSERT INTO meta VALUES('shelved',3);
CREATE TABLE sessions (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tip INTEGER NOT NULL,
    term INTEGER NOT NULL,
    born INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    life INTEGER NOT NULL,
    unsettled INTEGER NOT NULL,
    wake_at INTEGER,
    trimmed INTEGER NOT NULL DEFAULT 0,
    tenant TEXT NOT NULL,
    owner TEXT,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    archived INTEGER NOT NULL,
    parent TEXT,
    workspace TEXT,
    created_at INTEGER NOT NULL,
    header TEXT NOT NULL
);
INSERT INTO sessions VALUES(1,'sample',4,1,0,0,1,1,2000,2,'acme',NULL,'hosted','idle',0,NULL,NULL,1000,'{"id":"sample","tenant":"acme","createdBy":"ann","kind":"hosted","agent":"echo","title":"A sample","status":"idle","agentStatus":"stopped","archived":false,"createdAt":1000,"updatedAt":1000,"lastActivityAt":null,"turns":0,"usage":{"input":0,"output":0}}');
CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,
    last INTEGER NOT NULL,
    solid INTEGER NOT NULL,
    form INTEGER NOT NULL,
    receipts BLOB,
    body BLOB NOT NULL
);
INSERT INTO log VALUES(2,1,4,1,0,X'070d838ce6ecb9db64119d7e7501642c010101010101010101010101010101010000000000000003',X'7b22736571223a332c226174223a313030302c22617574686f72223a7b2275736572223a2267617465776179222c22646f6f72223a2267617465776179227d2c2274797065223a2273657373696f6e52656e616d6564222c227469746c65223a2274776f227d0a7b22736571223a342c226174223a313030302c22617574686f72223a7b2275736572223a2267617465776179222c22646f6f72223a2267617465776179227d2c2274797065223a2273657373696f6e52656e616d6564222c227469746c65223a227468726565227d0a');
INSERT INTO log VALUES(3,1,2,1,1,NULL,X'28b52ffd60d300650700828e291e6049db06e63b412b3f2df227c81a6ea72c6610472c078c2aa0400516e80985f6d445509320a0d0da7237d241f7dcb4d66c9b2d4d03f9ce9ab0be518aa9d20921f5299a51a1c58a6485873b4a84749c64ad6d2e4885d2efcc1a9b010ad5698f936920efa1c9e0e6aa8ac0410efede8a9a7df3540b4194be20cce3e6281b3319d04dccc9bfe752faa6eda29b2b98908dc6ef4932fb724ff6688637044118ee8d3786fb41f2971b20304262a17a1649002e258098b7e48045676d398d10f4f8394844397ee90b60518d4371c2d6c8bf5eb83e064110ca1d8d6654c10d01ab610671879107089c1017a0');
CREATE TABLE shelf (
    session INTEGER NOT NULL,
    last INTEGER NOT NULL,
    solid INTEGER NOT NULL,
    row INTEGER NOT NULL,
    PRIMARY KEY (session, last)
) WITHOUT ROWID;
INSERT INTO shelf VALUES(1,2,1,3);
INSERT INTO shelf VALUES(1,4,1,2);
CREATE TABLE receipts (
    session INTEGER NOT NULL,
    name BLOB NOT NULL,
    seq INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (session, name)
) WITHOUT ROWID;
INSERT INTO receipts VALUES(1,X'070d838ce6ecb9db64119d7e7501642c',3,X'01010101010101010101010101010101');
CREATE TABLE places (
    session INTEGER NOT NULL,
    message TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (session, message)
) WITHOUT ROWID;
CREATE TABLE claims (
    space TEXT NOT NULL,
    key TEXT NOT NULL,
    holder TEXT NOT NULL,
    PRIMARY KEY (space, key)
) WITHOUT ROWID;
CREATE TABLE records (
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    value BLOB,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (owner, kind, key)
);
INSERT INTO records VALUES('t acme','note','k',1,X'76',1000);
CREATE TABLE feed (
    owner TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    session TEXT,
    key TEXT,
    number INTEGER NOT NULL,
    word TEXT NOT NULL,
    PRIMARY KEY (owner, seq)
) WITHOUT ROWID;
INSERT INTO feed VALUES('t acme',1,1000,NULL,'k',1,'note');
CREATE TABLE file_versions (
    workspace TEXT NOT NULL,
    path TEXT NOT NULL,
    version INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    change TEXT NOT NULL,
    hash TEXT,
    size INTEGER NOT NULL,
    at INTEGER NOT NULL,
    session TEXT,
    PRIMARY KEY (workspace, path, version)
) WITHOUT ROWID;
CREATE TABLE blob_refs (
    session INTEGER NOT NULL,
    hash TEXT NOT NULL,
    tenant TEXT NOT NULL,
    PRIMARY KEY (session, hash)
) WITHOUT ROWID;
CREATE TABLE graves (session INTEGER PRIMARY KEY);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('sessions',1);
CREATE INDEX sessions_listed ON sessions (tenant, kind, created_at, id);
CREATE INDEX sessions_of_parent ON sessions (parent, created_at, id) WHERE parent IS NOT NULL;
CREATE INDEX sessions_of_workspace ON sessions (workspace, created_at, id) WHERE workspace IS NOT NULL;
CREATE INDEX sessions_waking ON sessions (wake_at, id) WHERE wake_at IS NOT NULL;
CREATE INDEX sessions_unsettled ON sessions (id) WHERE unsettled = 1;
CREATE INDEX claims_of_holder ON claims (holder);
CREATE INDEX file_versions_of_hash ON file_versions (hash, tenant) WHERE hash IS NOT NULL;
CREATE INDEX blob_refs_of_hash ON blob_refs (hash, tenant);
COMMIT;
PRAGMA user_version = 1;
