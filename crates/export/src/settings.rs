//! `[[export]]`: where events go, and as what.

use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use crate::format::Format;

/// One export.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportSettings {
    /// What it is called in commands, logs and in the name of its cursor: a to z, 0 to 9 and -.
    pub name: String,
    /// What a message is written as.
    #[serde(default)]
    pub format: Format,
    /// Where it begins when it runs for the first time. After that, its cursor counts.
    #[serde(default)]
    pub from: Begin,
    /// With several gateways on one ledger: the host name of the one that exports.
    pub node: Option<String>,
    /// Where the messages go.
    pub to: TargetSettings,
}

/// Where an export begins that has no cursor yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Begin {
    /// With the first entry of the ledger.
    #[default]
    Start,
    /// With the next one.
    Now,
}

/// Where messages go.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum TargetSettings {
    /// RFC 5424 over TCP or TLS, with octet counting.
    Syslog(SyslogSettings),
    /// JSON by HTTPS, signed.
    Webhook(WebhookSettings),
    /// Lines at the end of a file.
    File(FileSettings),
}

/// `kind = "syslog"`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyslogSettings {
    /// `tls://HOST:PORT` (RFC 5425) or `tcp://HOST:PORT` (RFC 6587).
    pub address: Url,
    /// The PEM file of the authorities that may have signed the receiver's certificate; without it, the machine's.
    pub ca: Option<PathBuf>,
    /// A certificate chain of our own, PEM, where the receiver asks for one.
    pub certificate: Option<PathBuf>,
    /// Its key, PEM.
    pub key: Option<PathBuf>,
    /// The private enterprise number in the name of the structured data. 32473 is the one for examples.
    #[serde(default = "example_number")]
    pub enterprise_number: u32,
}

/// `kind = "webhook"`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// Where batches are posted to. Without TLS only on loopback.
    pub url: Url,
    /// The file (0600) that holds the secret which the receiver checks signatures with.
    pub secret_file: PathBuf,
    /// The PEM file of the authorities that may have signed the receiver's certificate; without it, the machine's.
    pub ca: Option<PathBuf>,
}

/// `kind = "file"`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSettings {
    /// The file. Whoever moves it away gets a new one with the next batch.
    pub path: PathBuf,
}

fn example_number() -> u32 {
    32473
}

impl ExportSettings {
    /// What is wrong with the settings, in one sentence.
    pub fn check(&self) -> Result<(), String> {
        let name = &self.name;
        let of = |why: &str| Err(format!("export {name:?}: {why}"));
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            return of("a name is made of a to z, 0 to 9 and -");
        }
        match &self.to {
            TargetSettings::Syslog(to) => {
                let tls = match to.address.scheme() {
                    "tls" => true,
                    "tcp" => false,
                    _ => return of("an address begins with tls:// or tcp://"),
                };
                if to.address.host().is_none() || to.address.port().is_none() {
                    return of("an address is like tls://siem.example.com:6514, with host and port");
                }
                if !tls && (to.ca.is_some() || to.certificate.is_some()) {
                    return of("certificates are for tls:// addresses");
                }
                if to.certificate.is_some() != to.key.is_some() {
                    return of("certificate and key go together");
                }
            }
            TargetSettings::Webhook(to) => match to.url.scheme() {
                "https" => {}
                "http" if is_loopback(&to.url) => {}
                _ => return of("a webhook needs https, unless it is on loopback"),
            },
            TargetSettings::File(_) => {}
        }
        Ok(())
    }

    /// Every path in the settings, to be made relative to the file that they stand in.
    pub fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let paths: Vec<&mut PathBuf> = match &mut self.to {
            TargetSettings::Syslog(to) => {
                [&mut to.ca, &mut to.certificate, &mut to.key].into_iter().flatten().collect()
            }
            TargetSettings::Webhook(to) => std::iter::once(&mut to.secret_file).chain(&mut to.ca).collect(),
            TargetSettings::File(to) => vec![&mut to.path],
        };
        paths.into_iter()
    }

    /// Whether it runs on the machine of this host name.
    pub fn runs_on(&self, host: &str) -> bool {
        self.node.as_ref().is_none_or(|node| node == host)
    }

    /// The kind of its target, as the settings call it.
    pub fn kind(&self) -> &'static str {
        match self.to {
            TargetSettings::Syslog(_) => "syslog",
            TargetSettings::Webhook(_) => "webhook",
            TargetSettings::File(_) => "file",
        }
    }

    /// Where it goes, without what a URL may hold of secrets.
    pub fn target(&self) -> String {
        let shown = |url: &Url| {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            let path = if url.scheme().starts_with("http") { url.path() } else { "" };
            format!("{}://{}{port}{path}", url.scheme(), url.host_str().unwrap_or_default())
        };
        match &self.to {
            TargetSettings::Syslog(to) => shown(&to.address),
            TargetSettings::Webhook(to) => shown(&to.url),
            TargetSettings::File(to) => to.path.display().to_string(),
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
