//! The mark in a real browser: that it lies over a page, and that taking it away is seen by the gateway.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

mod common;

use std::time::{Duration, Instant};

use base64::Engine as _;
use common::app::App;
use common::{Plan, Site};
use fantoccini::{Client, Locator};
use model::{Event, MarkFault, MarkFaultKind};
use peers::chromium::{Chromium, Window, devtools};
use serde_json::{Value, json};

/// What the gateway promises.
const SEEN_WITHIN: Duration = Duration::from_secs(10);
const HOST: &str = "document.querySelector('html > div[popover=manual]')";

struct Stage {
    site: Site,
    _app: App,
    chromium: Chromium,
}

impl Stage {
    /// A gateway whose clock goes as that of the wall.
    async fn open(settings: &'static str) -> Self {
        let app = App::start().await;
        let site = Site::planned(app.address, Plan { settings, ..Plan::default() }).await;
        site.route_ticket("k-1", "c-1", "s-1");
        let (clock, gateway) = (site.clock.clone(), site.gateway.clone());
        tokio::spawn(async move {
            let mut before = Instant::now();
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                let now = Instant::now();
                clock.advance(now - before);
                before = now;
            }
        });
        tokio::spawn(async move { gateway.watch_marks().await });
        Self { site, _app: app, chromium: Chromium::start().unwrap_or_else(|error| panic!("{error}")) }
    }

    async fn browser(&self, window: Window) -> Client {
        let browser = self.chromium.open(window).await.unwrap_or_else(|error| panic!("{error}"));
        browser.goto(&self.url("/pages/menu")).await.unwrap();
        let persona = Locator::Css("button[name=staff][value=s-1]");
        browser.wait().for_element(persona).await.unwrap().click().await.unwrap();
        browser.wait().for_element(Locator::XPath("//title[text()='Menu']")).await.unwrap();
        browser
    }

    fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.site.address)
    }

    /// A page that shows a customer, when it has proved itself.
    async fn sound_page(&self, browser: &Client) {
        browser.goto(&self.url("/edit/c-1")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2500)).await;
    }

    fn faults(&self) -> Vec<MarkFault> {
        self.site.of_kind(|event| if let Event::MarkFault(fault) = event { Some(fault) } else { None })
    }

    /// Waits for the next fault behind the first `before`, and says what it is and how long it took.
    async fn next_fault(&self, before: usize, what: &str) -> (MarkFaultKind, Duration) {
        let since = Instant::now();
        loop {
            if let Some(fault) = self.faults().get(before) {
                return (fault.what, since.elapsed());
            }
            assert!(since.elapsed() < SEEN_WITHIN, "{what}: not seen");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn run(browser: &Client, script: &str) -> Value {
    browser.execute(script, vec![]).await.unwrap()
}

/// Runs a function in which `this` is the closed shadow root of the overlay, as DevTools can and no page does.
async fn run_inside(browser: &Client, function: &str) {
    let found = devtools(browser, "DOM.getDocument", json!({ "depth": -1, "pierce": true })).await.unwrap();
    let root = shadow_of_overlay(&found["root"]).unwrap_or_else(|| panic!("no overlay: {found}"));
    let object = devtools(browser, "DOM.resolveNode", json!({ "backendNodeId": root })).await.unwrap();
    let call = json!({ "objectId": object["object"]["objectId"], "functionDeclaration": function });
    let done = devtools(browser, "Runtime.callFunctionOn", call).await.unwrap();
    assert!(done.get("exceptionDetails").is_none(), "{done}");
}

fn shadow_of_overlay(node: &Value) -> Option<u64> {
    let is_host = node["attributes"].as_array().is_some_and(|a| a.iter().any(|a| a == "popover"));
    let shadow = node["shadowRoots"].as_array().and_then(|roots| roots.first());
    if is_host && let Some(root) = shadow {
        return root["backendNodeId"].as_u64();
    }
    node["children"].as_array()?.iter().find_map(shadow_of_overlay)
}

/// The window as it is painted.
async fn painted(browser: &Client) -> image::GrayImage {
    let answer = devtools(browser, "Page.captureScreenshot", json!({})).await.unwrap();
    let png = base64::engine::general_purpose::STANDARD.decode(answer["data"].as_str().unwrap()).unwrap();
    image::load_from_memory(&png).unwrap().to_luma8()
}

/// How many grey levels there are on the empty ground at the bottom of the window: one without the mark, seven with it.
fn levels(picture: &image::GrayImage) -> usize {
    let mut seen: Vec<u8> = picture.rows().rev().take(300).flatten().map(|p| p.0[0]).collect();
    seen.sort_unstable();
    seen.dedup();
    seen.len()
}

/// A way to take the mark away, and what the gateway is to see.
struct Way {
    name: &'static str,
    script: Script,
    seen: &'static [MarkFaultKind],
}

enum Script {
    /// In the page.
    Page(&'static str),
    /// In the closed shadow of the overlay.
    Inside(&'static str),
}

#[tokio::test]
async fn taking_the_mark_away_in_eight_ways_is_seen_within_ten_seconds() {
    use MarkFaultKind::{Covered, Hidden, Removed, Replaced, Silent};
    let stage = Stage::open("").await;
    let browser = stage.browser(Window::default()).await;

    // To begin with: who does nothing is not accused of anything, not even in a tab behind another.
    stage.sound_page(&browser).await;
    assert!(levels(&painted(&browser).await) >= 7, "the mark is painted");
    let front = browser.window().await.unwrap();
    let back = browser.new_window(true).await.unwrap().handle;
    browser.switch_to_window(back.clone()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(9)).await;
    browser.close_window().await.unwrap();
    browser.switch_to_window(front).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(stage.faults(), []);

    let ways = [
        Way { name: "node removed", script: Script::Page("HOST.remove()"), seen: &[Removed] },
        Way {
            name: "display: none",
            script: Script::Page("HOST.style.setProperty('display', 'none', 'important')"),
            seen: &[Hidden],
        },
        Way {
            name: "opacity 0",
            script: Script::Inside("this.lastChild.style.opacity = 0"),
            seen: &[Hidden],
        },
        Way {
            name: "moved off",
            script: Script::Inside("this.lastChild.style.transform = 'translateX(-200vw)'"),
            seen: &[Hidden],
        },
        Way {
            name: "covered by another element",
            script: Script::Page(
                "const cover = document.body.appendChild(document.createElement('div')); cover.popover = 'manual'; \
                 cover.style.cssText = 'width:100vw;height:100vh;max-width:none;max-height:none;background:white'; \
                 const up = () => { if (cover.matches(':popover-open')) cover.hidePopover(); cover.showPopover() }; \
                 up(); setInterval(up, 50)",
            ),
            seen: &[Covered],
        },
        Way {
            name: "stylesheet override",
            script: Script::Inside(
                "const sheet = new CSSStyleSheet(); sheet.replaceSync('.picture { background: none !important }'); \
                 this.adoptedStyleSheets.push(sheet)",
            ),
            seen: &[Replaced],
        },
        Way {
            name: "timers stopped",
            script: Script::Page("for (let n = 0; n < 10000; n++) { clearInterval(n) } window.fetch = null"),
            seen: &[Silent],
        },
        Way {
            name: "background image replaced",
            script: Script::Inside(
                "this.lastChild.style.backgroundImage = 'url(data:image/gif;base64,R0lGODlhAQABAAAAACw=)'",
            ),
            seen: &[Replaced],
        },
    ];
    for Way { name, script, seen } in ways {
        stage.sound_page(&browser).await;
        let before = stage.faults().len();
        match script {
            Script::Page(script) => drop(run(&browser, &script.replace("HOST", HOST)).await),
            Script::Inside(script) => run_inside(&browser, &format!("function() {{ {script} }}")).await,
        }
        let (found, after) = stage.next_fault(before, name).await;
        println!("{name}: {found} after {} ms", after.as_millis());
        assert!(seen.contains(&found), "{name}: {found}");
    }

    // Blocked before it comes.
    for (name, command, parameters) in [
        ("script blocked", "Network.setBlockedURLs", json!({ "urls": ["*overlay*"] })),
        ("scripts off", "Emulation.setScriptExecutionDisabled", json!({ "value": true })),
    ] {
        devtools(&browser, "Network.enable", json!({})).await.unwrap();
        devtools(&browser, command, parameters).await.unwrap();
        let before = stage.faults().len();
        browser.goto(&stage.url("/edit/c-1")).await.unwrap();
        let (found, after) = stage.next_fault(before, name).await;
        println!("{name}: {found} after {} ms", after.as_millis());
        assert_eq!(found, Silent, "{name}");
        devtools(&browser, "Network.setBlockedURLs", json!({ "urls": [] })).await.unwrap();
        if name == "scripts off" {
            assert!(levels(&painted(&browser).await) >= 7, "the style stands in for the script");
        }
    }
    browser.close().await.unwrap();
}

#[tokio::test]
async fn the_styles_of_the_page_and_its_dialogs_do_not_take_the_mark_away() {
    let stage = Stage::open("").await;
    let browser = stage.browser(Window::default()).await;
    stage.sound_page(&browser).await;
    run(
        &browser,
        "const style = new CSSStyleSheet(); style.replaceSync('div, [popover] { display: none !important; \
         opacity: 0 !important; background: none !important; transform: scale(0) !important; all: unset !important }'); \
         document.adoptedStyleSheets.push(style); \
         const dialog = document.body.appendChild(document.createElement('dialog')); \
         dialog.style.cssText = 'width:100vw;height:100vh;max-width:none;max-height:none;border:0;background:#fff'; \
         dialog.showModal()",
    )
    .await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(levels(&painted(&browser).await) >= 7, "over the dialog too");
    assert_eq!(stage.faults(), []);
    browser.close().await.unwrap();
}

#[tokio::test]
async fn printing_and_recording_the_screen_from_the_page_are_seen_and_leaving_it_is_no_fault() {
    let stage = Stage::open("mark = { visible = \"corner\" }").await;
    let browser = stage.browser(Window::default()).await;
    stage.sound_page(&browser).await;
    let pdf = devtools(&browser, "Page.printToPDF", json!({ "printBackground": true })).await.unwrap();
    assert!(pdf["data"].as_str().unwrap().len() > 20_000, "the mark is printed too");
    assert_eq!(stage.next_fault(0, "printing").await.0, MarkFaultKind::Printed);
    stage.sound_page(&browser).await;
    run(&browser, "try { navigator.mediaDevices.getDisplayMedia({}).catch(() => {}) } catch {}").await;
    assert_eq!(stage.next_fault(1, "recording").await.0, MarkFaultKind::Captured);
    for _ in 0..3 {
        browser.goto(&stage.url("/edit/c-1")).await.unwrap();
        browser.goto(&stage.url("/pages/menu")).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(stage.faults().len(), 2);
    browser.close().await.unwrap();
}

/// Processor time of the main thread from the beginning of a page to a second after it, in milliseconds: of its scripts,
/// and of everything. Medians.
async fn main_thread(browser: &Client, url: &str) -> [f64; 2] {
    let (mut scripts, mut tasks) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        browser.goto("about:blank").await.unwrap();
        devtools(browser, "Performance.enable", json!({ "timeDomain": "threadTicks" })).await.unwrap();
        browser.goto(url).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1000)).await;
        let got = devtools(browser, "Performance.getMetrics", json!({})).await.unwrap();
        let metrics = got["metrics"].as_array().unwrap();
        for (name, all) in [("ScriptDuration", &mut scripts), ("TaskDuration", &mut tasks)] {
            let metric = metrics.iter().find(|metric| metric["name"] == name).unwrap();
            all.push(metric["value"].as_f64().unwrap() * 1000.0);
        }
        devtools(browser, "Performance.disable", json!({})).await.unwrap();
    }
    [scripts, tasks].map(|mut all| {
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    })
}

#[tokio::test]
async fn the_mark_costs_a_page_at_most_sixty_kilobytes_and_its_scripts_five_milliseconds() {
    let (with, without) = (Stage::open("").await, Stage::open("mark = { invisible = false }").await);
    let mut took = Vec::new();
    for stage in [&with, &without] {
        let browser = stage.browser(Window::default()).await;
        took.push(main_thread(&browser, &stage.url("/pages/menu")).await);
        if std::ptr::eq(stage, &with) {
            let loaded = run(
                &browser,
                "return performance.getEntriesByType('resource').filter((one) => one.name.startsWith('http')) \
                 .reduce((all, one) => all + one.encodedBodySize, 0)",
            )
            .await;
            println!("{loaded} bytes");
            assert!(loaded.as_u64().is_some_and(|bytes| (30_000..=60_000).contains(&bytes)), "{loaded}");
        }
        browser.close().await.unwrap();
    }
    let [with, without] = [took[0], took[1]];
    println!("scripts: {:.2} ms with the mark, {:.2} ms without", with[0], without[0]);
    println!("everything on the main thread: {:.2} ms with the mark, {:.2} ms without", with[1], without[1]);
    assert!(with[0] > 0.0 && with[0] - without[0] <= 5.0, "{took:?}");
}
