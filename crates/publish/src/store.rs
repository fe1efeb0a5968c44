//! The public store of a ledger, over an object store.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use ledger::{PublicStore, StoreError};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Attribute, Attributes, ObjectStore, ObjectStoreExt, PutOptions, PutPayload, RetryConfig};
use tokio::runtime::Runtime;
use url::{Host, Url};

use crate::credentials::{Credentials, CredentialsError};
use crate::http::Connector;
use crate::place::{Place, S3Settings};

/// How many files are under way at a time.
const AT_ONCE: usize = 16;
/// How long, and how often, a request that failed is tried again.
const TRIES: Duration = Duration::from_secs(5);
const RETRIES: usize = 3;

/// Why a place cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be made.
    #[error("tiles: {}: {source}", dir.display())]
    Dir {
        /// Which one.
        dir: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The credentials cannot be used.
    #[error("[log.s3] credentials_file: {0}")]
    Credentials(#[from] CredentialsError),
    /// The endpoint cannot be used.
    #[error("[log.s3] endpoint {endpoint:?}: {why}")]
    Endpoint {
        /// What the configuration or the environment says.
        endpoint: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Settings of a store that is not used.
    #[error("[log.s3] is of no use without tiles = \"s3://bucket/prefix\" under [log]")]
    Useless,
    /// The store's client cannot be made.
    #[error("tiles: {0}")]
    Store(#[from] object_store::Error),
    /// A thread cannot be started.
    #[error("tiles: cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// Opens the place that public files go to. Makes a directory that is missing; a bucket must be there, and is not asked
/// for yet: a store that is away keeps nobody from starting.
pub fn open(place: &Place, s3: Option<&S3Settings>) -> Result<Arc<dyn PublicStore>, OpenError> {
    let (store, prefix, is_served): (Arc<dyn ObjectStore>, _, _) = match place {
        Place::Dir(_) if s3.is_some() => return Err(OpenError::Useless),
        Place::Dir(dir) => {
            let failed = |source| OpenError::Dir { dir: dir.clone(), source };
            std::fs::create_dir_all(dir).map_err(failed)?;
            let store = LocalFileSystem::new_with_prefix(dir)?.with_fsync(true);
            (Arc::new(store), Path::default(), false)
        }
        Place::S3 { bucket, prefix } => {
            let store = bucket_of(bucket, s3.unwrap_or(&S3Settings::default()))?.build()?;
            (Arc::new(store), Path::from(prefix.as_str()), true)
        }
    };
    // The ledger's threads wait for it, and it must go on while they do.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("public-store")
        .enable_all()
        .build()
        .map_err(OpenError::Thread)?;
    Ok(Arc::new(Store { shown: place.to_string(), store, prefix, is_served, runtime: Some(runtime) }))
}

fn bucket_of(bucket: &str, settings: &S3Settings) -> Result<AmazonS3Builder, OpenError> {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_http_connector(Connector)
        .with_retry(RetryConfig { max_retries: RETRIES, retry_timeout: TRIES, ..RetryConfig::default() });
    if let Some(region) = &settings.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    if let Some(file) = &settings.credentials_file {
        let Credentials { key_id, secret, token } = Credentials::read(file)?;
        builder = builder.with_access_key_id(key_id).with_secret_access_key(secret.as_str());
        if let Some(token) = token {
            builder = builder.with_token(token.as_str());
        }
    }
    let is_plain = match builder.get_config_value(&AmazonS3ConfigKey::Endpoint) {
        Some(endpoint) => is_plain(&endpoint)?,
        None => false,
    };
    Ok(builder.with_allow_http(is_plain))
}

/// Whether an endpoint is reached without TLS, which is for this machine only.
fn is_plain(endpoint: &str) -> Result<bool, OpenError> {
    let wrong = |why| OpenError::Endpoint { endpoint: endpoint.to_owned(), why };
    let url = Url::parse(endpoint).map_err(|_| wrong("not a URL such as https://s3.example.com"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "credentials do not belong into it: put them into a file, named by credentials_file",
        ));
    }
    let is_near = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(false),
        "http" if is_near => Ok(true),
        "http" => Err(wrong("over a network it must be https")),
        _ => Err(wrong("it must begin with https://")),
    }
}

struct Store {
    shown: String,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// Whether readers may be sent there themselves, so that files need the headers of c2sp.org/tlog-tiles.
    is_served: bool,
    /// Taken when this is dropped.
    runtime: Option<Runtime>,
}

impl Store {
    fn path(&self, name: &str) -> Path {
        self.prefix.parts().chain(Path::from(name).parts()).collect()
    }

    /// Waits for `work`, on whatever thread.
    fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, object_store::Error>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let ended = || StoreError("it is being closed".to_owned());
        let (answer, answers) = std::sync::mpsc::channel();
        self.runtime.as_ref().ok_or_else(ended)?.spawn(async move {
            // Whoever waits for it is on the next line.
            let _ = answer.send(work.await);
        });
        answers.recv().map_err(|_| ended())?.map_err(|error| StoreError(why(&error)))
    }

    fn options(&self, name: &str) -> PutOptions {
        if !self.is_served {
            return PutOptions::default();
        }
        let (kind, caching) = if name.starts_with("tile/") {
            ("application/octet-stream", "public, max-age=31536000, immutable")
        } else {
            ("text/plain; charset=utf-8", "no-cache")
        };
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::ContentType, kind.into());
        attributes.insert(Attribute::CacheControl, caching.into());
        PutOptions { attributes, ..PutOptions::default() }
    }
}

/// The last cause: what is around it are names of types.
fn why(error: &object_store::Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    match causes.last() {
        Some(cause) if error.to_string().contains(&cause.to_string()) => error.to_string(),
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

impl PublicStore for Store {
    fn get(&self, names: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let store = self.store.clone();
        let paths: Vec<Path> = names.iter().map(|name| self.path(name)).collect();
        self.wait(async move {
            let one = |path: Path| {
                let store = store.clone();
                async move {
                    match store.get(&path).await {
                        Ok(found) => Ok(Some(Vec::from(found.bytes().await?))),
                        Err(object_store::Error::NotFound { .. }) => Ok(None),
                        Err(error) => Err(error),
                    }
                }
            };
            stream::iter(paths.into_iter().map(one)).buffered(AT_ONCE).try_collect().await
        })
    }

    fn put(&self, files: Vec<(String, Vec<u8>)>) -> Result<(), StoreError> {
        let store = self.store.clone();
        let files: Vec<_> = files
            .into_iter()
            .map(|(name, bytes)| (self.path(&name), PutPayload::from(bytes), self.options(&name)))
            .collect();
        self.wait(async move {
            let one = |(path, bytes, options)| {
                let store = store.clone();
                async move { store.put_opts(&path, bytes, options).await.map(drop) }
            };
            stream::iter(files.into_iter().map(one)).buffer_unordered(AT_ONCE).try_collect().await
        })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Not waited for: the last handle may be dropped by an asynchronous task.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for endpoint in ["http://127.0.0.1:9000", "http://localhost", "http://[::1]:1"] {
            assert!(is_plain(endpoint).unwrap(), "{endpoint}");
        }
        assert!(!is_plain("https://s3.example.com").unwrap());
        for wrong in [
            "http://s3.example.com",
            "http://10.0.0.1",
            "ftp://127.0.0.1",
            "s3.example.com",
            "https://a:hunter2@b",
        ] {
            assert!(is_plain(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_directory_holds_what_was_put_and_nothing_of_a_bucket_prints() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::Dir(dir.path().join("public"));
        let store = open(&place, None).unwrap();
        let files = vec![("checkpoint".to_owned(), vec![1]), ("tile/0/x001/234.p/7".to_owned(), vec![2; 9])];
        store.put(files.clone()).unwrap();
        store.put(files).unwrap();
        let names = ["tile/0/x001/234.p/7", "tile/0/000", "checkpoint"].map(str::to_owned);
        assert_eq!(store.get(&names).unwrap(), [Some(vec![2; 9]), None, Some(vec![1])]);
        assert_eq!(std::fs::read(dir.path().join("public/tile/0/x001/234.p/7")).unwrap(), [2; 9]);
        assert!(matches!(open(&place, Some(&S3Settings::default())), Err(OpenError::Useless)));
    }
}
