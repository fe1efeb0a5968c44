//! Syslog: RFC 5424 messages with octet counting, over TCP (RFC 6587, section 3.4.1) or TLS (RFC 5425).
//!
//! Syslog has no acknowledgement. What comes closest is the end of the stream: after a batch we end our half, and
//! a receiver that has read all of it ends its own. If it is killed with bytes unread, its system resets the
//! connection instead. So a batch counts as taken when the stream has ended in order from the other side; after
//! anything else all of it is sent again. Over TLS a `close_notify` belongs to that (RFC 5425, section 4.4), but
//! rsyslog ends without one, so it is not insisted on.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{Batch, DeliveryError, TargetError, tls};
use crate::format::Message;
use crate::ocsf::{PRODUCT, VERSION};
use crate::settings::SyslogSettings;

/// A connection, with its handshake, is there by then.
const CONNECT: Duration = Duration::from_secs(10);
/// A batch is read, and its end confirmed, by then.
const PATIENCE: Duration = Duration::from_secs(60);
/// "Log audit" (RFC 5424, section 6.2.1).
const FACILITY: u32 = 13;

pub(crate) struct Syslog {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// What messages say of where they come from.
    from: From,
    json: bool,
}

/// The parts of a message that are the same in all of them.
struct From {
    host: String,
    process: u32,
    enterprise_number: u32,
}

impl std::fmt::Debug for Syslog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Syslog({}:{})", self.host, self.port)
    }
}

impl Syslog {
    pub(super) fn open(to: &SyslogSettings, host: &str, json: bool) -> Result<Self, TargetError> {
        let name = to.address.host_str().unwrap_or_default();
        let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = if to.address.scheme() == "tls" {
            let config = tls::config(to.ca.as_ref(), to.certificate.as_ref().zip(to.key.as_ref()))?;
            let server = ServerName::try_from(name.clone()).map_err(|e| TargetError::Wrong {
                path: name.clone().into(),
                why: format!("not a name that a certificate can be for: {e}"),
            })?;
            Some((TlsConnector::from(Arc::new(config)), server))
        } else {
            None
        };
        Ok(Self {
            port: to.address.port().unwrap_or(6514),
            host: name,
            tls,
            from: From {
                host: word(host, 255),
                process: std::process::id(),
                enterprise_number: to.enterprise_number,
            },
            json,
        })
    }

    pub(super) async fn deliver(&self, batch: &Batch) -> Result<(), DeliveryError> {
        let frames: String =
            batch.messages.iter().map(|message| self.from.frame(message, &batch.origin, self.json)).collect();
        let connect = TcpStream::connect((self.host.as_str(), self.port));
        let stream =
            timeout(CONNECT, connect).await.map_err(|_| DeliveryError::Timeout("take a connection"))?;
        let stream = stream.map_err(|e| DeliveryError::Connect(e.to_string()))?;
        // A receiver that refuses the option still works.
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => pass(stream, &frames).await,
            Some((connector, server)) => {
                let handshake = connector.connect(server.clone(), stream);
                let stream = timeout(CONNECT, handshake)
                    .await
                    .map_err(|_| DeliveryError::Timeout("finish its handshake"))?;
                pass(stream.map_err(|e| DeliveryError::Connect(e.to_string()))?, &frames).await
            }
        }
    }
}

/// Writes everything, ends our half of the stream, and waits until the receiver has ended its own.
async fn pass(mut stream: impl AsyncRead + AsyncWrite + Unpin, frames: &str) -> Result<(), DeliveryError> {
    let pass = async {
        stream.write_all(frames.as_bytes()).await?;
        stream.flush().await?;
        stream.shutdown().await?;
        let mut ignored = [0; 1024];
        loop {
            match stream.read(&mut ignored).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                // The end of the TCP stream without the end of TLS in front of it.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    };
    match timeout(PATIENCE, pass).await {
        Ok(done) => done.map_err(|e: io::Error| DeliveryError::Broken(e.to_string())),
        Err(_) => Err(DeliveryError::Timeout("read a batch to its end and end the stream")),
    }
}

impl From {
    /// `MSG-LEN SP SYSLOG-MSG`.
    fn frame(&self, message: &Message, origin: &str, json: bool) -> String {
        let text = self.message(message, origin, json);
        format!("{} {text}", text.len())
    }

    /// RFC 5424, section 6.
    fn message(&self, message: &Message, origin: &str, json: bool) -> String {
        let priority = FACILITY * 8 + message.severity.syslog();
        let mut text = format!(
            "<{priority}>1 {} {} {PRODUCT} {} {} ",
            message.time,
            self.host,
            self.process,
            word(message.kind, 32)
        );
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "[origin software=\"{PRODUCT}\" swVersion=\"{VERSION}\"][sightline@{} log=\"{}\"",
            self.enterprise_number,
            parameter(origin)
        );
        match message.index {
            Some(index) => drop(write!(text, " entry=\"{index}\"")),
            None => text.push_str(" test=\"true\""),
        }
        let _ = write!(text, " uid=\"{}\"] ", parameter(&message.uid));
        if json {
            ascii(&message.body, &mut text)
        } else {
            text.push_str(&message.body)
        }
        text
    }
}

/// A header field: printable ASCII without spaces, or `-`.
fn word(text: &str, longest: usize) -> String {
    let word: String = text.chars().filter(char::is_ascii_graphic).take(longest).collect();
    if word.is_empty() { "-".to_owned() } else { word }
}

/// RFC 5424, section 6.3.3: `"`, `\` and `]` are escaped in a parameter's value.
fn parameter(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// JSON in ASCII alone. UTF-8 would need a byte order mark in front (RFC 5424, section 6.4), which many receivers
/// then hand on as part of the JSON. Outside its strings JSON is ASCII, and inside them `\u` means the same.
fn ascii(json: &str, out: &mut String) {
    for c in json.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String does not fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use model::Timestamp;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::told::Severity;

    fn from() -> From {
        From { host: "gw-1".into(), process: 7, enterprise_number: 32473 }
    }

    fn message(body: &str) -> Message {
        Message {
            uid: "log.example/x#3".into(),
            time: Timestamp(1_770_000_000_123),
            kind: "revealed",
            severity: Severity::Low,
            index: Some(3),
            body: body.into(),
        }
    }

    #[test]
    fn a_message_is_framed_as_the_specifications_say() {
        assert_eq!(
            from().frame(&message("{}"), "log.example/x", true),
            format!(
                "177 <109>1 2026-02-02T02:40:00.123Z gw-1 Sightline 7 revealed [origin software=\"Sightline\" \
                 swVersion=\"{VERSION}\"][sightline@32473 log=\"log.example/x\" entry=\"3\" uid=\"log.example/x#3\"] {{}}"
            )
        );
    }

    proptest! {
        #[test]
        fn json_means_the_same_in_ascii(text: String) {
            let json = serde_json::to_string(&text).unwrap();
            let mut out = String::new();
            ascii(&json, &mut out);
            prop_assert!(out.is_ascii());
            prop_assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), Value::String(text));
        }

        #[test]
        fn no_text_ends_a_parameter(text: String) {
            let escaped = parameter(&text);
            let bare = escaped.replace("\\\\", "").replace("\\\"", "").replace("\\]", "");
            prop_assert!(!bare.contains(['"', ']', '\\']));
        }

        #[test]
        fn a_host_name_is_one_word_whatever_the_machine_says(text: String) {
            let word = word(&text, 255);
            prop_assert!(!word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic()));
        }
    }
}
