//! One of several nodes publishes: whoever is killed, paused or cut off, what anybody was shown only grows, and is one
//! history.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use peers::postgres::Server;
use peers::proxy::Proxy;
use sightline_ledger::verify::{Source, check};
use sightline_ledger::{Ledger, PublicStore, StoreError};

use super::{Node, published, reaches, server};
use crate::common::{started, tree_only};

const LEASE: Duration = Duration::from_secs(3);
const DAMAGED: [u8; 3] = [1, 2, 3];

/// A store in memory, which can be held up and can fail.
#[derive(Debug, Default)]
pub(crate) struct Shop {
    files: Mutex<HashMap<String, Vec<u8>>>,
    /// Every checkpoint that was ever there.
    checkpoints: Mutex<Vec<String>>,
    puts: Mutex<HashMap<String, usize>>,
    is_broken: AtomicBool,
    /// Whose puts wait, once.
    held: Mutex<Held>,
    goes_on: Condvar,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Held {
    #[default]
    Nobody,
    /// Who puts such a name next is held.
    Next(&'static str),
    Waiting,
    Released,
}

impl Shop {
    fn hold_next(&self, name: &'static str) {
        *self.held.lock().unwrap() = Held::Next(name);
    }

    fn is_held(&self) -> bool {
        *self.held.lock().unwrap() == Held::Waiting
    }

    fn release(&self) {
        *self.held.lock().unwrap() = Held::Released;
        self.goes_on.notify_all();
    }
}

impl fmt::Display for Shop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the shop")
    }
}

impl PublicStore for Shop {
    fn get(&self, names: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(StoreError("out of order".to_owned()));
        }
        let files = self.files.lock().unwrap();
        Ok(names.iter().map(|name| files.get(name).cloned()).collect())
    }

    fn put(&self, files: Vec<(String, Vec<u8>)>) -> Result<(), StoreError> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(StoreError("out of order".to_owned()));
        }
        let mut held = self.held.lock().unwrap();
        if let Held::Next(wanted) = *held
            && files.iter().any(|(name, _)| name.starts_with(wanted))
        {
            *held = Held::Waiting;
            while *held == Held::Waiting {
                held = self.goes_on.wait(held).unwrap();
            }
        }
        drop(held);
        for (name, bytes) in files {
            *self.puts.lock().unwrap().entry(name.clone()).or_default() += 1;
            if name == "checkpoint" {
                self.checkpoints.lock().unwrap().push(String::from_utf8(bytes.clone()).unwrap());
            }
            let before = self.files.lock().unwrap().insert(name.clone(), bytes.clone());
            let is_other = before.is_some_and(|before| before != bytes && before != DAMAGED);
            assert!(name == "checkpoint" || !is_other, "{name} was put with other bytes");
        }
        Ok(())
    }
}

/// A copy of the store, to be verified as a log.
struct Copy(HashMap<String, Vec<u8>>);

impl Source for Copy {
    fn fetch(&self, path: &str) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.get(path).cloned())
    }
}

/// Every checkpoint that the nodes ever gave out, each node's in order.
struct Watch {
    over: Arc<AtomicBool>,
    watching: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Watch {
    fn over(ledgers: &[&Ledger]) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let watch = |ledger: &&Ledger| {
            let (ledger, over) = ((*ledger).clone(), over.clone());
            tokio::spawn(async move {
                let mut seen: Vec<String> = Vec::new();
                while !over.load(Ordering::SeqCst) {
                    let now = ledger.checkpoint();
                    if seen.last() != Some(&now) {
                        seen.push(now);
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                seen
            })
        };
        let watching = ledgers.iter().map(watch).collect();
        Self { over, watching }
    }

    /// No node ever went back, and all of it is one history, which `ledger` has.
    async fn saw_one_history(self, ledger: &Ledger) -> usize {
        self.over.store(true, Ordering::SeqCst);
        let mut count = 0;
        for seen in self.watching {
            let mut last = 0;
            for note in seen.await.unwrap() {
                let said = ledger.verifier().checkpoint(&note).unwrap();
                assert!(said.size >= last, "a node went back from {last} to {}", said.size);
                assert_eq!(ledger.root_at(said.size).unwrap(), said.root);
                last = said.size;
                count += 1;
            }
        }
        count
    }
}

/// The store comes to hold a whole log of so many entries, and every checkpoint that it ever held was of it.
async fn is_whole_log(shop: &Shop, ledger: &Ledger, size: u64) {
    let there = || {
        let checkpoint = shop.files.lock().unwrap().get("checkpoint").cloned().unwrap_or_default();
        ledger.verifier().checkpoint(&String::from_utf8(checkpoint).unwrap()).map_or(0, |said| said.size)
    };
    until("the store has the last checkpoint", || there() == size).await;
    let copy = Copy(shop.files.lock().unwrap().clone());
    let checked = check(&copy, ledger.verifier(), tree_only(), &mut |_, _| {}).unwrap();
    assert_eq!(checked.summary.entries, size);
    for note in &*shop.checkpoints.lock().unwrap() {
        let said = ledger.verifier().checkpoint(note).unwrap();
        assert_eq!(ledger.root_at(said.size).unwrap(), said.root);
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(20), "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn named(mut node: Node, name: &str, shop: &Arc<Shop>) -> Node {
    node.options.node = name.to_owned();
    node.options.lease = LEASE;
    node.options.public = Some(shop.clone());
    node
}

/// Three nodes with one store; the first goes through a proxy.
fn three(server: &Server, proxy: &Proxy) -> (Arc<Shop>, [Node; 3]) {
    let shop = Arc::new(Shop::default());
    let first = Node::first(&[server.port]);
    let (second, third) = (first.joining(&[server.port]), first.joining(&[server.port]));
    let mut first = named(first, "a", &shop);
    first.options.database = super::options(&[proxy.port]).0.database;
    (shop.clone(), [first, named(second, "b", &shop), named(third, "c", &shop)])
}

async fn grow(ledger: &Ledger, from: u64, by: u64) {
    for n in from..from + by {
        ledger.append(started(n)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_nodes_publishes_all_give_out_the_same_and_another_takes_over_at_once_when_it_closes() {
    let server = server();
    let proxy = Proxy::start(server.port).unwrap();
    let (shop, nodes) = three(&server, &proxy);
    let [a, b, c] = nodes.each_ref().map(Node::open);
    let watch = Watch::over(&[&b, &c]);
    assert!(a.publishes() && !b.publishes() && !c.publishes());
    let lease = c.publishing().lease.unwrap();
    assert_eq!((lease.node.as_deref(), lease.epoch, lease.is_ours), (Some("a"), 1, false));
    grow(&b, 0, 300).await;
    for ledger in [&a, &b, &c] {
        published(ledger, 300).await;
    }
    assert_eq!(a.published(), c.published(), "also the tiles of the same size");
    is_whole_log(&shop, &b, 300).await;
    // Each full tile went there once, and so did each partial one.
    assert!(shop.puts.lock().unwrap().iter().all(|(name, n)| name == "checkpoint" || *n == 1));

    let closed = Instant::now();
    a.close().await;
    until("another publishes", || b.publishes() || c.publishes()).await;
    assert!(closed.elapsed() < LEASE, "nobody waited for the lease to run out");
    assert!(!(b.publishes() && c.publishes()));
    grow(&c, 300, 300).await;
    published(&b, 600).await;
    published(&c, 600).await;
    is_whole_log(&shop, &b, 600).await;
    watch.saw_one_history(&b).await;
    for (node, ledger) in nodes.iter().zip([&a, &b, &c]) {
        ledger.close().await;
        assert!(node.told.0.lock().unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_is_cut_off_from_the_database_is_replaced_within_the_lease_and_comes_back_as_a_reader()
 {
    let server = server();
    let proxy = Proxy::start(server.port).unwrap();
    let (shop, nodes) = three(&server, &proxy);
    let [a, b, c] = nodes.each_ref().map(Node::open);
    let watch = Watch::over(&[&a, &b, &c]);
    grow(&b, 0, 20).await;
    published(&c, 20).await;
    proxy.cut_all(true);
    let cut = Instant::now();
    until("another publishes", || b.publishes() || c.publishes()).await;
    assert!(cut.elapsed() < LEASE + Duration::from_secs(2), "{:?}", cut.elapsed());
    until("the first knows by its own clock", || !a.publishes()).await;
    grow(&b, 20, 20).await;
    published(&c, 40).await;
    proxy.cut_all(false);
    reaches(&a, 40).await;
    published(&a, 40).await;
    assert!(!a.publishes());
    assert_eq!(a.publishing().lease.unwrap().epoch, 2);
    is_whole_log(&shop, &b, 40).await;
    watch.saw_one_history(&b).await;
    for ledger in [&a, &b, &c] {
        ledger.close().await;
    }
    assert!(nodes.iter().all(|node| node.told.0.lock().unwrap().is_empty()), "the processes live on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_is_paused_past_its_lease_sets_nothing_back_when_it_wakes() {
    for held in ["tile/", "checkpoint"] {
        let server = server();
        let proxy = Proxy::start(server.port).unwrap();
        let (shop, nodes) = three(&server, &proxy);
        let [a, b, c] = nodes.each_ref().map(Node::open);
        let watch = Watch::over(&[&a, &b, &c]);
        grow(&b, 0, 10).await;
        published(&c, 10).await;
        shop.hold_next(held);
        grow(&b, 10, 10).await;
        until("its request is held up", || shop.is_held()).await;
        proxy.pause(true);
        until("another publishes", || b.publishes() || c.publishes()).await;
        grow(&b, 20, 300).await;
        published(&c, 320).await;
        let row = "SELECT size, given_size, epoch FROM sightline.published";
        let before = server.sql("sightline", row).unwrap();
        is_whole_log(&shop, &b, 320).await;
        // It goes on where it was: with what it had sent, and with what it was about to say.
        shop.release();
        proxy.pause(false);
        until("the first has seen that it publishes no more", || {
            a.publishing().lease.is_some_and(|lease| lease.epoch == 2)
        })
        .await;
        published(&a, 320).await;
        assert_eq!(server.sql("sightline", row).unwrap(), before, "{held}");
        // A checkpoint that was on its way for so long does not stay there.
        tokio::time::sleep(2 * LEASE).await;
        is_whole_log(&shop, &b, 320).await;
        watch.saw_one_history(&b).await;
        for ledger in [&a, &b, &c] {
            ledger.close().await;
        }
        assert!(nodes.iter().all(|node| node.told.0.lock().unwrap().is_empty()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_store_everything_goes_on_and_is_all_there_afterwards() {
    let server = server();
    let proxy = Proxy::start(server.port).unwrap();
    let (shop, nodes) = three(&server, &proxy);
    let [a, b, c] = nodes.each_ref().map(Node::open);
    grow(&a, 0, 10).await;
    published(&c, 10).await;
    shop.is_broken.store(true, Ordering::SeqCst);
    grow(&a, 10, 300).await;
    let trouble = || a.publishing().store.unwrap().trouble;
    until("it says why", || trouble().is_some_and(|why| why.contains("out of order"))).await;
    let late = named(nodes[1].joining(&[server.port]), "d", &shop);
    let d = late.open();
    assert_eq!(d.size(), 310);
    for ledger in [&a, &b, &c, &d] {
        published(ledger, 310).await;
    }
    assert_eq!(a.publishing().trouble, None);
    shop.is_broken.store(false, Ordering::SeqCst);
    is_whole_log(&shop, &b, 310).await;
    until("nothing is wrong any more", || trouble().is_none()).await;

    // What was damaged or lost is put there again, and nothing else.
    shop.files.lock().unwrap().remove("tile/entries/000").unwrap();
    shop.files.lock().unwrap().insert("tile/0/000".to_owned(), DAMAGED.to_vec());
    shop.puts.lock().unwrap().clear();
    assert_eq!(b.rebuild_store(|_, _| {}).unwrap(), Some(2));
    assert_eq!(shop.puts.lock().unwrap().len(), 2);
    is_whole_log(&shop, &b, 310).await;
    for ledger in [&a, &b, &c, &d] {
        ledger.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_new_is_filled_and_one_of_another_log_is_left_alone() {
    let server = server();
    let first = Node::first(&[server.port]);
    let ledger = first.open();
    grow(&ledger, 0, 600).await;
    ledger.close().await;
    drop(ledger);
    let shop = Arc::new(Shop::default());
    let node = named(first, "a", &shop);
    let ledger = node.open();
    is_whole_log(&shop, &ledger, 600).await;
    ledger.close().await;
    drop(ledger);

    shop.files.lock().unwrap().insert("checkpoint".to_owned(), b"another.example/log\n0\n\n".to_vec());
    let before = shop.files.lock().unwrap().clone();
    let ledger = node.open();
    grow(&ledger, 600, 1).await;
    let trouble = || ledger.publishing().store.unwrap().trouble;
    until("it says why", || trouble().is_some_and(|why| why.contains("did not sign"))).await;
    ledger.close().await;
    assert_eq!(*shop.files.lock().unwrap(), before);
}

/// The row says what was published by all; who is behind it goes there before publishing anything.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_over_publishes_nothing_smaller_than_what_was_announced() {
    let server = server();
    let proxy = Proxy::start(server.port).unwrap();
    let (_, nodes) = three(&server, &proxy);
    let a = nodes[0].open();
    grow(&a, 0, 50).await;
    published(&a, 50).await;
    // The second knows nothing of the log but its keys, and the first is gone without a word.
    proxy.cut_all(true);
    let b = nodes[1].open();
    let watch = Watch::over(&[&b]);
    until("it publishes", || b.publishes()).await;
    assert!(b.verifier().checkpoint(&b.published()).unwrap().size >= 50);
    grow(&b, 50, 1).await;
    published(&b, 51).await;
    // One that came no further than to announce it has its checkpoint given out by the next.
    let given = "SELECT given_size FROM sightline.published";
    server.sql("sightline", "UPDATE sightline.published SET given_size = 50").unwrap();
    until("it is given out", || server.sql("sightline", given).unwrap().trim() == "51").await;
    watch.saw_one_history(&b).await;

    // A row that was tampered with is not gone along with.
    let c = nodes[2].open();
    server
        .sql(
            "sightline",
            "UPDATE sightline.published SET size = 60, note = replace(note, E'\\n51\\n', E'\\n60\\n')",
        )
        .unwrap();
    until("it is told", || !nodes[2].told.0.lock().unwrap().is_empty()).await;
    for ledger in [&a, &b, &c] {
        ledger.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_witness_proves_to_the_publisher_every_node_hears_until_another_publishes() {
    let server = server();
    let proxy = Proxy::start(server.port).unwrap();
    let (_, nodes) = three(&server, &proxy);
    let [a, b, c] = nodes.each_ref().map(Node::open);
    let heard = |ledger: &Ledger| ledger.publishing().lease.unwrap().contradicted;
    let what = model::IncidentKind::LedgerFork;
    // Whoever does not publish is not asked for it.
    b.contradict(what).unwrap();
    a.contradict(what).unwrap();
    for ledger in [&a, &b, &c] {
        until("it is heard", || heard(ledger) == Some(what)).await;
    }
    // Whoever publishes next asks the witnesses for itself.
    a.close().await;
    until("another publishes", || b.publishes() || c.publishes()).await;
    until("it begins anew", || heard(&b).is_none() && heard(&c).is_none()).await;
    b.close().await;
    c.close().await;
}
