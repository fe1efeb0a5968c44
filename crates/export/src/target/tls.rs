//! TLS towards receivers.

use std::path::{Path, PathBuf};

use hyper_rustls::ConfigBuilderExt;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::TargetError;

/// Trusts the authorities in `ca`, or the machine's; shows `identity` (chain, key) where it is asked for one.
pub(super) fn config(
    ca: Option<&PathBuf>,
    identity: Option<(&PathBuf, &PathBuf)>,
) -> Result<ClientConfig, TargetError> {
    let ring = rustls::crypto::ring::default_provider();
    let builder = ClientConfig::builder_with_provider(ring.into()).with_safe_default_protocol_versions()?;
    let builder = match ca {
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(ca)? {
                roots.add(authority)?;
            }
            builder.with_root_certificates(roots)
        }
        None => builder.with_native_roots().map_err(|source| TargetError::File {
            path: "the machine's certificate authorities".into(),
            source,
        })?,
    };
    match identity {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => {
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|e| wrong(key, format!("not a PEM private key: {e}")))?;
            Ok(builder.with_client_auth_cert(certificates(chain)?, key)?)
        }
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TargetError> {
    let found = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| wrong(file, format!("not PEM certificates: {e}")))?;
    if found.is_empty() { Err(wrong(file, "there is no PEM certificate in it".into())) } else { Ok(found) }
}

fn wrong(file: &Path, why: String) -> TargetError {
    TargetError::Wrong { path: file.to_owned(), why }
}
