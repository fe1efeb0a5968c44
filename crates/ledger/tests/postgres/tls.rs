//! TLS to the database, with a real server and certificates of our own making.

use peers::postgres::Server;
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use sightline_ledger::{Database, DatabaseError, Ledger, LedgerError, Options};

use super::{Node, options};
use crate::common::{ORIGIN, started};

/// An authority, and what it signs with.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Certificate and key of a server with this name, as PEM.
    fn server(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

fn database(port: u16, query: &str) -> Database {
    Database::new(&format!("postgres://sightline@127.0.0.1:{port}/sightline?{query}")).unwrap()
}

fn refusal(database: &Database) -> String {
    match database.migrate(true) {
        Err(LedgerError::Database(DatabaseError::Unreachable { why, .. })) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_reached_over_tls_and_one_of_another_authority_or_name_is_not() {
    let server = Server::start().unwrap();
    let (authority, other) = (Authority::new(), Authority::new());
    let home = tempfile::tempdir().unwrap();
    let root = |name: &str, authority: &Authority| {
        let file = home.path().join(name);
        std::fs::write(&file, authority.certificate.pem()).unwrap();
        format!("sslrootcert={}&sslmode=verify-full", file.display())
    };
    let (ours, theirs) = (root("ours.pem", &authority), root("theirs.pem", &other));

    // A server that does no TLS is not gone along with.
    assert!(refusal(&database(server.port, &ours)).contains("TLS"));

    let (certificate, key) = authority.server("127.0.0.1");
    server.use_tls(&certificate, &key).unwrap();
    let good = database(server.port, &ours);
    good.migrate(false).unwrap();
    let (options, told) = options(&[server.port]);
    let node = Node {
        root: tempfile::tempdir().unwrap(),
        options: Options { database: Some(good), ..options },
        told,
    };
    Ledger::create(&node.dir(), ORIGIN, &node.options).unwrap();
    let ledger = node.open();
    ledger.append(started(0)).await.unwrap();
    ledger.read(0, 1).unwrap();
    let sql = "SELECT count(*), bool_and(s.ssl), min(s.version) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
               WHERE a.application_name = 'sightline'";
    let said = server.sql("sightline", sql).unwrap();
    let connections: u32 = said.split('|').next().unwrap().parse().unwrap();
    assert!(connections >= 3 && said.contains("|t|TLSv1.3"), "writer, reader and publisher: {said}");
    ledger.close().await;
    assert!(node.told.0.lock().unwrap().is_empty());

    let why = refusal(&database(server.port, &theirs));
    assert!(why.contains("invalid peer certificate"), "{why}");
    // The right authority, for another server.
    let (certificate, key) = authority.server("db.example");
    server.use_tls(&certificate, &key).unwrap();
    let why = refusal(&database(server.port, &ours));
    assert!(why.contains("invalid peer certificate: certificate not valid for name \"127.0.0.1\""), "{why}");
}
