//! What a request is signed with, from a file in the form of `~/.aws/credentials`. Does not print.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Why a file of credentials cannot be used. Never says what is in it.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// It cannot be read.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others than its owner may read it.
    #[error("{}: others may read these credentials; set its mode to 0600", .0.display())]
    Open(PathBuf),
    /// Something is missing in it.
    #[error(
        "{}: no {missing} in its default profile; it should say aws_access_key_id = … and aws_secret_access_key = …, each on a line",
        file.display()
    )]
    Missing {
        /// The file.
        file: PathBuf,
        /// What is missing.
        missing: &'static str,
    },
}

/// What a request is signed with.
pub(crate) struct Credentials {
    pub(crate) key_id: String,
    pub(crate) secret: Zeroizing<String>,
    pub(crate) token: Option<Zeroizing<String>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

impl Credentials {
    /// Reads the default profile, which is what stands before any other.
    pub(crate) fn read(file: &Path) -> Result<Self, CredentialsError> {
        let io = |source| CredentialsError::Io { file: file.to_owned(), source };
        if std::fs::metadata(file).map_err(io)?.permissions().mode() & 0o077 != 0 {
            return Err(CredentialsError::Open(file.to_owned()));
        }
        let text = Zeroizing::new(std::fs::read_to_string(file).map_err(io)?);
        Self::parse(&text).map_err(|missing| CredentialsError::Missing { file: file.to_owned(), missing })
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let (mut is_default, mut key_id, mut secret, mut token) = (true, None, None, None);
        for line in text.lines().map(str::trim) {
            if let Some(profile) = line.strip_prefix('[') {
                is_default = profile.trim_end_matches(']').trim() == "default";
            }
            let Some((name, value)) = line.split_once('=').filter(|_| is_default) else { continue };
            let value = value.trim();
            match name.trim() {
                _ if value.is_empty() => {}
                "aws_access_key_id" => key_id = Some(value.to_owned()),
                "aws_secret_access_key" => secret = Some(Zeroizing::new(value.to_owned())),
                "aws_session_token" => token = Some(Zeroizing::new(value.to_owned())),
                _ => {}
            }
        }
        let (key_id, secret) = (key_id.ok_or("aws_access_key_id")?, secret.ok_or("aws_secret_access_key")?);
        Ok(Self { key_id, secret, token })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_profile_is_read_and_nothing_of_it_prints() {
        let text = "# ours\n[default]\naws_access_key_id = AKIA1\naws_secret_access_key=hunter2/+=\n\
                    [other]\naws_access_key_id = AKIA2\naws_session_token = t\n";
        let read = Credentials::parse(text).unwrap();
        assert_eq!((read.key_id.as_str(), read.secret.as_str()), ("AKIA1", "hunter2/+="));
        assert!(read.token.is_none());
        assert!(!format!("{read:?}").contains("hunter2"));
        assert_eq!(Credentials::parse("[other]\naws_access_key_id = x").unwrap_err(), "aws_access_key_id");
        assert_eq!(Credentials::parse("aws_access_key_id = x").unwrap_err(), "aws_secret_access_key");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "aws_access_key_id = a\naws_secret_access_key = hunter2\n").unwrap();
        Credentials::read(file.path()).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        let refusal = Credentials::read(file.path()).unwrap_err();
        assert!(matches!(refusal, CredentialsError::Open(_)));
        assert!(!refusal.to_string().contains("hunter2"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(\\[?[a-z_ ]{0,12}[=\\]]?.{0,12}\n?){0,6}") {
            let _ = Credentials::parse(&text);
        }
    }
}
