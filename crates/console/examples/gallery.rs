//! The console over a made-up day, for looking at it: `cargo run -p sightline-console --example gallery`,
//! then open the address that it prints and be whoever you like.

#[path = "../tests/world/mod.rs"]
#[allow(dead_code, clippy::unwrap_used)] // shared with the tests
mod world;

use std::net::SocketAddr;
use std::time::Duration;

use model::clock::Clock;
use model::entry::{Act, Actor, Event, Proposed, RevokeReason, Revoked, Target};
use model::{OsEntropy, ProposalId, StaffId, SystemClock};
use world::World;

#[tokio::main]
#[allow(clippy::unwrap_used, clippy::print_stdout)] // a tool for developers, which says what it does
async fn main() {
    let dir = std::env::temp_dir().join(format!("sightline-gallery-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let mut world = World::new(&dir, SystemClock.now().minus(Duration::from_secs(8 * 3600 + 700))).await;
    world.open_the_floor().await;
    world.work(420).await;
    let session = world.session("s-13", world::APP).await;
    let revoked = Revoked {
        target: Target::Session(session),
        by: Actor::Staff(StaffId::new("s-90")),
        reason: RevokeReason::AccountCompromised,
    };
    world.record(Event::Revoked(revoked)).await;
    world.clock.set(SystemClock.now());
    let erasure = world.erasure();
    erasure.propose(world::HARVESTED.into(), Actor::Operator, None).await.unwrap();
    let until = SystemClock.now().plus(Duration::from_secs(4 * 3600));
    let (act, by) = (Act::AllowUnwitnessed { until }, Actor::Operator);
    let proposed = Proposed { proposal: ProposalId::fresh(&OsEntropy), act, by, session: None };
    world.record(Event::Proposed(proposed)).await;
    world.find("s-13", model::Level::StepUp).await;
    world.find("s-19", model::Level::Nudge).await;
    tokio::spawn(erasure.follow());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8790").await.unwrap();
    println!("http://127.0.0.1:8790");
    let router = sightline_console::router(world.console());
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await.unwrap();
}
