//! Where the public files go, as the configuration says it.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

/// `DIR` or `s3://bucket/prefix`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Place {
    /// A directory, which may be one that several machines share.
    Dir(PathBuf),
    /// A bucket of an S3-compatible store.
    S3 {
        /// The bucket.
        bucket: String,
        /// What every name in it begins with; may be empty, has no slash at its ends.
        prefix: String,
    },
}

/// Text that is no place for public files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tiles: {0}; write a directory, or s3://bucket/prefix")]
pub struct NotAPlace(&'static str);

impl TryFrom<String> for Place {
    type Error = NotAPlace;

    fn try_from(text: String) -> Result<Self, NotAPlace> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return if text.is_empty() { Err(NotAPlace("it is empty")) } else { Ok(Self::Dir(text.into())) };
        };
        if scheme != "s3" {
            return Err(NotAPlace("of the URLs only s3:// is one"));
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_bucket = (3..=63).contains(&bucket.len())
            && bucket.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b));
        if !is_bucket {
            return Err(NotAPlace("a bucket's name has 3 to 63 of a to z, 0 to 9, . and -"));
        }
        let prefix = prefix.trim_matches('/');
        let is_prefix = prefix.is_empty()
            || prefix.split('/').all(|part| {
                !matches!(part, "" | "." | "..")
                    && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            });
        if !is_prefix {
            return Err(NotAPlace("a prefix is made of letters, digits, . _ - and /"));
        }
        Ok(Self::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dir(dir) => dir.display().fmt(f),
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

/// `[log.s3]`: how the store is reached. What is absent is taken from the usual environment variables
/// (`AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, …).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Settings {
    /// Where the store is, without the bucket; without it, Amazon's. `https`, or `http` on this machine.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// A file (0600) in the form of `~/.aws/credentials`.
    pub credentials_file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn place(text: &str) -> Result<Place, NotAPlace> {
        Place::try_from(text.to_owned())
    }

    #[test]
    fn a_directory_and_a_bucket_are_told_apart_and_anything_else_is_refused() {
        assert_eq!(place("/srv/log").unwrap(), Place::Dir("/srv/log".into()));
        for (text, bucket, prefix) in [
            ("s3://a-log", "a-log", ""),
            ("s3://a-log/", "a-log", ""),
            ("s3://b.example/x/y/", "b.example", "x/y"),
        ] {
            let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
            assert_eq!(place(text).unwrap(), Place::S3 { bucket, prefix });
        }
        for wrong in [
            "",
            "s3://",
            "s3://ab",
            "s3://Bucket",
            "s3://bucket/a//b",
            "s3://bucket/../b",
            "gs://bucket",
            "s3://b c d",
        ] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_of_a_place_reads_back(text in "(s3://[a-z]{3,9}(/[a-z]{1,3}){0,3}/?|[a-z/]{1,9}|.{0,20})") {
            if let Ok(read) = place(&text) {
                prop_assert_eq!(place(&read.to_string()), Ok(read));
            }
        }
    }
}
