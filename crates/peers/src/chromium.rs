//! A real browser: Chromium without a window, driven by chromedriver.

use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use fantoccini::error::{CmdError, NewSessionError};
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use crate::StartError;
use crate::process::{Process, find};

const REMEDY: &str =
    "run `cargo xtask test`, which installs it, or `apt-get install chromium chromium-driver`";

/// Nothing of the outside is asked: names other than this machine's do not resolve.
const ARGUMENTS: [&str; 12] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
];

/// How a browser's window is.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Its width in CSS pixels.
    pub width: u32,
    /// Its height in CSS pixels.
    pub height: u32,
    /// Whether pages are asked for their dark look.
    pub dark: bool,
}

impl Default for Window {
    fn default() -> Self {
        Self { width: 1280, height: 900, dark: false }
    }
}

/// A running chromedriver. Dropping it ends its browsers.
#[derive(Debug)]
pub struct Chromium {
    url: String,
    chromium: std::path::PathBuf,
    // Before `profiles`: the browsers end before their folders go.
    _process: Process,
    profiles: TempDir,
}

impl Chromium {
    /// Starts chromedriver.
    pub fn start() -> Result<Self, StartError> {
        let missing =
            |what, file: &str| StartError::Missing { what, looked_for: file.into(), remedy: REMEDY };
        let chromium = find("chromium").ok_or_else(|| missing("Chromium", "chromium"))?;
        let driver = find("chromedriver").ok_or_else(|| missing("chromedriver", "chromedriver"))?;
        let profiles = TempDir::with_prefix("sightline-browser-")
            .map_err(|source| StartError::Spawn { program: "chromedriver".to_owned(), source })?;
        let mut command = Command::new(driver);
        command.arg("--port=0");
        let (process, port) = Process::start(command, |line| {
            let port = line.split_once("started successfully on port ")?.1;
            port.trim_end_matches('.').parse::<u16>().ok()
        })?;
        Ok(Self { url: format!("http://127.0.0.1:{port}"), chromium, _process: process, profiles })
    }

    /// Opens a browser that knows nothing of the others: no cookies, no cache.
    pub async fn open(&self, window: Window) -> Result<Client, StartError> {
        let profile = TempDir::new_in(self.profiles.path())
            .map_err(|source| StartError::Spawn { program: "chromium".to_owned(), source })?
            .keep();
        let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).into();
        arguments.push(format!("--user-data-dir={}", profile.display()));
        arguments.push(format!("--window-size={},{}", window.width, window.height));
        let options = json!({ "binary": self.chromium, "args": arguments });
        let capabilities = [("goog:chromeOptions".to_owned(), options)].into_iter().collect();
        let browser = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&self.url)
            .await
            .map_err(Box::new)?;
        if window.dark {
            let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
            devtools(&browser, "Emulation.setEmulatedMedia", dark)
                .await
                .map_err(|error| Box::new(NewSessionError::UnexpectedError(error)))?;
        }
        Ok(browser)
    }
}

/// Sends a command of the DevTools protocol, for what WebDriver does not know.
pub async fn devtools(browser: &Client, command: &'static str, parameters: Value) -> Result<Value, CmdError> {
    browser.issue_cmd(DevTools { command, parameters }).await
}

/// Writes a picture of the whole page, not just of the window, as PNG.
pub async fn picture(browser: &Client, file: &Path) -> Result<(), CmdError> {
    let answer =
        devtools(browser, "Page.captureScreenshot", json!({ "captureBeyondViewport": true })).await?;
    let data = answer.get("data").and_then(Value::as_str).unwrap_or_default();
    let png = BASE64.decode(data).map_err(|_| CmdError::NotW3C(answer.clone()))?;
    std::fs::write(file, png)
        .map_err(|e| CmdError::InvalidArgument(file.display().to_string(), e.to_string()))
}

#[derive(Debug)]
struct DevTools {
    command: &'static str,
    parameters: Value,
}

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        let body = json!({ "cmd": self.command, "params": self.parameters });
        (http::Method::POST, Some(body.to_string()))
    }
}
