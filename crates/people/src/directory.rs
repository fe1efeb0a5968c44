//! The staff directory: which person is behind a pseudonym. SQLite, outside the ledger, because names
//! are personal data (P6).

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use model::{Entropy, StaffId};
use rusqlite::{Connection, params};

use crate::secret::{Key, KeyError};

const SCHEMA: &str = "
    CREATE TABLE staff (
        staff   TEXT NOT NULL PRIMARY KEY,
        issuer  TEXT NOT NULL,
        subject TEXT NOT NULL,
        name    TEXT NOT NULL,
        login   TEXT COLLATE NOCASE UNIQUE,
        UNIQUE (issuer, subject)
    ) STRICT;";

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The directory's key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file or folder cannot be made.
    #[error("{file}: {source}")]
    Io {
        /// Which one.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database.
    #[error("staff directory: {0}")]
    Database(#[from] rusqlite::Error),
}

/// Why somebody cannot be entered in the directory.
#[derive(Debug, thiserror::Error)]
pub enum RememberError {
    /// The login belongs to somebody else. Were it given to two, one could act as the other in the apps.
    #[error("the login belongs to another member of staff")]
    LoginTaken,
    /// The login is empty, too long, or holds control characters.
    #[error("the login is not one that can go into a header")]
    LoginMalformed,
    /// The pseudonym belongs to somebody else.
    #[error("the pseudonym belongs to another member of staff")]
    PseudonymTaken,
    /// The database.
    #[error("staff directory: {0}")]
    Database(#[from] rusqlite::Error),
}

/// A person, as an identity provider tells of them. Personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// Who says so.
    pub issuer: String,
    /// Their id there.
    pub subject: String,
    /// The name to show.
    pub name: String,
    /// The name under which the apps know them.
    pub login: String,
}

/// Does not print: a person is personal data.
impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Person(..)")
    }
}

/// The staff directory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Directory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    key: Key,
    database: Mutex<Connection>,
    known: RwLock<Known>,
}

/// All of the directory, in memory: it is asked on every request.
#[derive(Debug, Default)]
struct Known {
    people: HashMap<StaffId, Person>,
    /// By the login in lower case: apps take logins in either.
    logins: HashMap<String, StaffId>,
}

impl Known {
    fn put(&mut self, staff: StaffId, person: Person) {
        self.drop_login(&staff);
        self.logins.insert(person.login.to_ascii_lowercase(), staff.clone());
        self.people.insert(staff, person);
    }

    /// Takes the login away from `staff`, who keeps their name.
    fn drop_login(&mut self, staff: &StaffId) {
        if let Some(person) = self.people.get_mut(staff) {
            let login = std::mem::take(&mut person.login).to_ascii_lowercase();
            self.logins.remove(&login);
        }
    }
}

impl Directory {
    /// Makes an empty directory, with its key, in the folder `dir`.
    pub fn create(dir: &Path, entropy: &dyn Entropy) -> Result<(), DirectoryError> {
        std::fs::create_dir_all(dir).map_err(|source| DirectoryError::Io { file: dir.to_owned(), source })?;
        // It is there already where it was copied from another node: all of them need the same.
        if !dir.join("key").exists() {
            Key::create(&dir.join("key"), entropy)?;
        }
        let file = dir.join("directory.db");
        // Before SQLite makes it readable for everybody. Its journal takes over the mode.
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)
            .map_err(|source| DirectoryError::Io { file: file.clone(), source })?;
        let database = Connection::open(&file)?;
        database.pragma_update(None, "journal_mode", "wal")?;
        database.execute_batch(SCHEMA)?;
        Ok(())
    }

    /// Opens the directory in the folder `dir`.
    pub fn open(dir: &Path) -> Result<Self, DirectoryError> {
        let key = Key::open(&dir.join("key"))?;
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(dir.join("directory.db"), flags)?;
        let known = read_all(&database)?;
        Ok(Self(Arc::new(Inner { key, database: Mutex::new(database), known: RwLock::new(known) })))
    }

    /// The pseudonym of a person: the same for ever, and without the key nobody can find the person from
    /// it, or tell that two ledgers speak of the same one.
    pub fn pseudonym(&self, issuer: &str, subject: &str) -> StaffId {
        const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mac = self.0.key.mac("staff pseudonym", &[issuer.as_bytes(), subject.as_bytes()]);
        let bits = mac.iter().take(5).fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        let digits =
            (0..8).rev().map(|i| char::from(CROCKFORD[usize::try_from(bits >> (5 * i) & 31).unwrap_or(0)]));
        StaffId::new(format!("s-{}", digits.collect::<String>()))
    }

    /// Enters a person, or what has changed about them. A login that belongs to somebody else is only
    /// taken over if `has_left` says so of them.
    pub fn remember(
        &self,
        staff: &StaffId,
        person: &Person,
        has_left: impl Fn(&StaffId) -> bool,
    ) -> Result<(), RememberError> {
        let fits = (1..=256).contains(&person.login.len()) && !person.login.chars().any(char::is_control);
        if !fits {
            return Err(RememberError::LoginMalformed);
        }
        // Held to the end: two logins at once must not both find the name free.
        let mut database = self.0.database.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match self.known().people.get(staff) {
            Some(before) if before == person => return Ok(()),
            before => before.cloned(),
        };
        if before.is_some_and(|b| (b.issuer, b.subject) != (person.issuer.clone(), person.subject.clone())) {
            return Err(RememberError::PseudonymTaken);
        }
        let holder = self.staff_by_login(&person.login).filter(|holder| holder != staff);
        if holder.as_ref().is_some_and(|holder| !has_left(holder)) {
            return Err(RememberError::LoginTaken);
        }
        let change = database.transaction()?;
        if let Some(holder) = &holder {
            change.execute("UPDATE staff SET login = NULL WHERE staff = ?1", [holder.as_str()])?;
        }
        change.execute(
            "INSERT INTO staff (staff, issuer, subject, name, login) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (staff) DO UPDATE SET name = excluded.name, login = excluded.login",
            params![staff.as_str(), person.issuer, person.subject, person.name, person.login],
        )?;
        change.commit()?;
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(holder) = &holder {
            known.drop_login(holder);
        }
        known.put(staff.clone(), person.clone());
        Ok(())
    }

    /// The name to show, if the directory has one.
    pub fn name_of(&self, staff: &StaffId) -> Option<String> {
        self.known().people.get(staff).map(|person| person.name.clone())
    }

    /// Name and login of somebody who can be signed in to the apps.
    pub(crate) fn name_and_login(&self, staff: &StaffId) -> Option<(String, String)> {
        let known = self.known();
        let person = known.people.get(staff).filter(|person| !person.login.is_empty())?;
        Some((person.name.clone(), person.login.clone()))
    }

    /// Whom the apps know under this login.
    pub fn staff_by_login(&self, login: &str) -> Option<StaffId> {
        self.known().logins.get(&login.to_ascii_lowercase()).cloned()
    }

    pub(crate) fn key(&self) -> &Key {
        &self.0.key
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_all(database: &Connection) -> Result<Known, rusqlite::Error> {
    let mut known = Known::default();
    let mut query =
        database.prepare("SELECT staff, issuer, subject, name, coalesce(login, '') FROM staff")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let person =
            Person { issuer: row.get(1)?, subject: row.get(2)?, name: row.get(3)?, login: row.get(4)? };
        known.put(StaffId::new(row.get::<_, String>(0)?), person);
    }
    known.logins.remove("");
    Ok(known)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use model::OsEntropy;

    use super::*;

    fn person(subject: &str, name: &str, login: &str) -> Person {
        let [issuer, subject, name, login] = ["https://id.example", subject, name, login].map(str::to_owned);
        Person { issuer, subject, name, login }
    }

    fn fresh() -> (tempfile::TempDir, Directory) {
        let dir = tempfile::tempdir().unwrap();
        Directory::create(dir.path(), &OsEntropy).unwrap();
        let directory = Directory::open(dir.path()).unwrap();
        (dir, directory)
    }

    #[test]
    fn names_and_logins_outlive_the_process() {
        let (dir, directory) = fresh();
        let ada = directory.pseudonym("https://id.example", "1");
        directory.remember(&ada, &person("1", "Ada", "Ada.L"), |_| false).unwrap();
        directory.remember(&ada, &person("1", "Ada Lovelace", "ada"), |_| false).unwrap();
        drop(directory);

        let directory = Directory::open(dir.path()).unwrap();
        assert_eq!(directory.pseudonym("https://id.example", "1"), ada);
        assert_eq!(directory.name_of(&ada).as_deref(), Some("Ada Lovelace"));
        assert_eq!(directory.staff_by_login("ADA"), Some(ada));
        assert_eq!(directory.staff_by_login("Ada.L"), None);
        for file in ["key", "directory.db"] {
            let mode = std::fs::metadata(dir.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }

    #[test]
    fn a_pseudonym_says_nothing_and_differs_between_directories() {
        let ((_a, one), (_b, other)) = (fresh(), fresh());
        let id = one.pseudonym("https://id.example", "1");
        assert_ne!(id, other.pseudonym("https://id.example", "1"));
        assert_ne!(id, one.pseudonym("https://id.example", "2"));
        assert_eq!(id.as_str().len(), 10);
    }

    #[test]
    fn nobody_gets_the_login_of_another_who_is_still_there() {
        let (dir, directory) = fresh();
        let (ada, eve) = (StaffId::new("s-1"), StaffId::new("s-2"));
        directory.remember(&ada, &person("1", "Ada", "ada"), |_| false).unwrap();
        let as_ada = person("2", "Eve", "ADA");
        assert!(matches!(directory.remember(&eve, &as_ada, |_| false), Err(RememberError::LoginTaken)));
        assert_eq!(directory.staff_by_login("ada"), Some(ada.clone()));

        directory.remember(&eve, &as_ada, |holder| *holder == ada).unwrap();
        for directory in [directory, Directory::open(dir.path()).unwrap()] {
            assert_eq!(directory.staff_by_login("ada"), Some(eve.clone()));
            assert_eq!(directory.name_of(&ada).as_deref(), Some("Ada"), "the past keeps its names");
            assert_eq!(directory.name_and_login(&ada), None);
        }
    }

    #[test]
    fn a_login_that_could_break_a_header_is_refused() {
        let (_dir, directory) = fresh();
        for login in ["", "a\r\nX: y", "a\0"] {
            let refused = directory.remember(&StaffId::new("s-1"), &person("1", "Ada", login), |_| false);
            assert!(matches!(refused, Err(RememberError::LoginMalformed)), "{login:?}");
        }
    }

    #[test]
    fn a_pseudonym_stays_with_its_person() {
        let (_dir, directory) = fresh();
        let id = StaffId::new("s-1");
        directory.remember(&id, &person("1", "Ada", "ada"), |_| false).unwrap();
        let other = directory.remember(&id, &person("2", "Eve", "eve"), |_| false);
        assert!(matches!(other, Err(RememberError::PseudonymTaken)));
    }
}
