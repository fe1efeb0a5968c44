//! `sightline serve`: every listener, until somebody ends it.

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::cli::Serve;
use crate::config::Config;
use crate::house::House;
use crate::{control, listen};

/// Runs until SIGINT or SIGTERM.
pub(crate) fn run(options: &Serve) -> Result<(), String> {
    let config = Config::load(&options.config).map_err(|e| e.to_string())?;
    if options.check {
        return check(&config, &options.config.display().to_string());
    }
    logging();
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let house = House::open(&config).await?;
        for door in &house.doors {
            tracing::info!(door = %door.name, url = %door.url, "open");
        }
        let (end, ending) = watch::channel(false);
        tokio::spawn(async move {
            signal().await;
            tracing::info!("ending: answers under way may finish");
            // Nobody listens any more only when everything has ended already.
            let _ = end.send(true);
        });
        stand(house, ending).await
    })
}

/// Answers on every listener of the house until `ending` turns true, then closes the ledger.
pub(crate) async fn stand(house: House, ending: watch::Receiver<bool>) -> Result<(), String> {
    let mut tasks = JoinSet::new();
    for door in house.doors {
        tasks.spawn(listen::serve(door.listener, door.tls, door.router, ending.clone()));
    }
    let socket = house.layout.socket.clone();
    let control = control::serve(&socket, house.rooms.clone(), ending.clone());
    let control = async { control.await.map_err(|e| format!("{}: {e}", socket.display())) };
    for worker in house.workers {
        tokio::spawn(worker);
    }
    let ended = control.await;
    while tasks.join_next().await.is_some() {}
    house.rooms.ledger.close().await;
    ended
}

/// Reads everything that a configuration names and opens nothing.
fn check(config: &Config, file: &str) -> Result<(), String> {
    let parts = crate::house::read(config)?;
    println!(
        "{file}: good. {} app{}, policy {}.",
        parts.apps.len(),
        plural(parts.apps.len()),
        parts.policy.digest()
    );
    for (app, _) in &parts.apps {
        println!("  {}: {} → {}, {}", app.name, app.public_url, app.upstream, app.mode);
    }
    for export in &config.settings.exports {
        println!("  export {}: {} → {}", export.name, export.format.word(), export.target());
    }
    Ok(())
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// SIGINT or SIGTERM.
pub(crate) async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = match signal(SignalKind::terminate()) {
        Ok(term) => term,
        // Without a handler for SIGTERM, Ctrl-C is what is left.
        Err(_) => return drop(tokio::signal::ctrl_c().await),
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
    }
}

/// Logs to the error stream; `RUST_LOG` says how much.
pub(crate) fn logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

/// The certificate of a listener, where one is configured.
pub(crate) fn acceptor(tls: Option<&gateway::TlsFiles>) -> Result<Option<TlsAcceptor>, String> {
    tls.map(|files| listen::tls(&files.certificate, &files.key)).transpose().map_err(|e| e.to_string())
}
