//! The protocol by which nodes take turns at a database, as a model, with every interleaving of it tried (stateright).
//!
//! A model checker and not a scheduler of real threads (loom, shuttle) or of a simulated network (turmoil): what matters
//! here happens between processes and a database, neither of which those can run, and the protocol is small enough to be
//! tried whole. The real thing is held by `tests/postgres/` and by `nodes.rs` of the room `access`.
//!
//! Two nodes want to look, one to revoke. Any node can lose its turn without knowing (it was stopped, its connection was
//! cut, the database gave its turn to another), and any answer of the database can be lost after the commit or before it.
#![allow(clippy::unwrap_used)]

use stateright::{Checker, Model, Property};

/// How many turns and answers may be lost in one history.
const LOSSES: u8 = 3;

/// What the protocol leaves out in a variant that is known to be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    No,
    /// A batch goes in whatever the size of the head is.
    WithoutCompare,
    /// A node decides before it has the turn, and takes the head's size when it has it.
    DecidesBeforeItsTurn,
    /// A node whose answer was lost tries again without looking.
    RetriesWithoutLooking,
    /// A node whose answer was lost looks without taking the turn, while its commit may still be under way.
    LooksWithoutTurn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    /// Wants to append.
    Waiting,
    /// Has decided that it may append, having absorbed so many batches.
    Decided { at: u8 },
    /// Has sent its batch and the commit.
    Sent,
    /// Does not know what became of it.
    InDoubt,
    /// Was told that it is recorded.
    Told,
    /// Was refused: it looked, and access was revoked.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum OnTheWay {
    /// To the database: append, if the head has this size.
    Commit { at: u8 },
    /// To the node.
    Answer { appended: bool },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    /// Which node's batch stands at each place.
    log: Vec<usize>,
    /// Who has the turn.
    turn: Option<usize>,
    phases: Vec<Phase>,
    on_the_way: Vec<Option<OnTheWay>>,
    losses: u8,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Action {
    /// Decides without the turn (only where that is broken).
    DecideEarly(usize),
    /// Takes the turn, absorbs, decides.
    TakeTurn(usize),
    /// Sends the batch.
    Send(usize),
    /// The database gets the commit and answers.
    Commit(usize),
    /// The answer arrives.
    Hear(usize),
    /// The database ends a turn, and the node does not know.
    LoseTurn(usize),
    /// What is on the way to the node is lost, and the node notices.
    LoseAnswer(usize),
    /// The node's connection is lost; the commit may still arrive.
    LoseConnection(usize),
    /// The commit is lost on the way.
    LoseCommit(usize),
    /// Finds out what became of its batch.
    Look(usize),
}

struct Turns {
    broken: Broken,
}

/// The node that revokes; the others look.
const REVOKES: usize = 1;
const NODES: usize = 3;

impl Turns {
    fn decide(state: &State, node: usize) -> Phase {
        let is_revoked = state.log.contains(&REVOKES);
        match is_revoked && node != REVOKES {
            true => Phase::Refused,
            false => Phase::Decided { at: state.log.len() as u8 },
        }
    }
}

impl Model for Turns {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            log: Vec::new(),
            turn: None,
            phases: vec![Phase::Waiting; NODES],
            on_the_way: vec![None; NODES],
            losses: 0,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for node in 0..NODES {
            let may_lose = state.losses < LOSSES;
            match state.phases[node] {
                Phase::Waiting if self.broken == Broken::DecidesBeforeItsTurn => {
                    actions.push(Action::DecideEarly(node));
                }
                Phase::Waiting if state.turn.is_none() => actions.push(Action::TakeTurn(node)),
                Phase::Decided { .. } => {
                    let early = self.broken == Broken::DecidesBeforeItsTurn && state.turn != Some(node);
                    if early && state.turn.is_none() {
                        actions.push(Action::TakeTurn(node));
                    }
                    if !early {
                        actions.push(Action::Send(node));
                    }
                }
                Phase::InDoubt => {
                    let looks_now = self.broken == Broken::LooksWithoutTurn
                        || self.broken == Broken::RetriesWithoutLooking
                        // The turn is had once the commit is over: done, or lost with its connection.
                        || (state.turn.is_none() && state.on_the_way[node].is_none());
                    if looks_now {
                        actions.push(Action::Look(node));
                    }
                }
                _ => {}
            }
            match state.on_the_way[node] {
                Some(OnTheWay::Commit { .. }) => {
                    actions.push(Action::Commit(node));
                    if may_lose {
                        actions.push(Action::LoseCommit(node));
                        if state.phases[node] == Phase::Sent {
                            actions.push(Action::LoseConnection(node));
                        }
                    }
                }
                Some(OnTheWay::Answer { .. }) => {
                    if state.phases[node] == Phase::Sent {
                        actions.push(Action::Hear(node));
                    }
                    if may_lose || state.phases[node] == Phase::InDoubt {
                        actions.push(Action::LoseAnswer(node));
                    }
                }
                None => {}
            }
            if may_lose && state.turn == Some(node) {
                actions.push(Action::LoseTurn(node));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::DecideEarly(node) => state.phases[node] = Self::decide(last, node),
            Action::TakeTurn(node) => {
                let phase = match last.phases[node] {
                    // It decided before, and takes the size as it is now.
                    Phase::Decided { .. } => Phase::Decided { at: last.log.len() as u8 },
                    _ => Self::decide(last, node),
                };
                state.phases[node] = phase;
                state.turn = matches!(phase, Phase::Decided { .. }).then_some(node);
            }
            Action::Send(node) => {
                let Phase::Decided { at } = last.phases[node] else { return None };
                state.phases[node] = Phase::Sent;
                state.on_the_way[node] = Some(OnTheWay::Commit { at });
            }
            Action::Commit(node) => {
                let Some(OnTheWay::Commit { at }) = last.on_the_way[node] else { return None };
                // Whoever else has the turn has the lock: this waits.
                if last.turn.is_some_and(|other| other != node) {
                    return None;
                }
                let appended = self.broken == Broken::WithoutCompare || usize::from(at) == last.log.len();
                if appended {
                    state.log.push(node);
                }
                state.turn = None;
                state.on_the_way[node] = Some(OnTheWay::Answer { appended });
            }
            Action::Hear(node) => {
                let Some(OnTheWay::Answer { appended }) = last.on_the_way[node] else { return None };
                state.on_the_way[node] = None;
                state.phases[node] = if appended { Phase::Told } else { Phase::Waiting };
            }
            Action::LoseTurn(_) => {
                state.turn = None;
                state.losses += 1;
            }
            Action::LoseAnswer(node) => {
                state.on_the_way[node] = None;
                if last.phases[node] == Phase::Sent {
                    state.phases[node] = Phase::InDoubt;
                    state.losses += 1;
                }
            }
            Action::LoseConnection(node) => {
                state.phases[node] = Phase::InDoubt;
                state.losses += 1;
            }
            Action::LoseCommit(node) => {
                state.on_the_way[node] = None;
                if last.turn == Some(node) {
                    state.turn = None;
                }
                state.phases[node] = Phase::InDoubt;
                state.losses += 1;
            }
            Action::Look(node) => {
                let is_there = last.log.contains(&node) && self.broken != Broken::RetriesWithoutLooking;
                state.phases[node] = if is_there { Phase::Told } else { Phase::Waiting };
                if self.broken == Broken::RetriesWithoutLooking
                    && !matches!(last.on_the_way[node], Some(OnTheWay::Commit { .. }))
                {
                    state.on_the_way[node] = None;
                }
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::<Self>::always("no look stands behind the revocation", |_, state| {
                let revoked = state.log.iter().position(|node| *node == REVOKES).unwrap_or(state.log.len());
                state.log[revoked..].iter().all(|node| *node == REVOKES)
            }),
            Property::<Self>::always("nothing is there twice", |_, state| {
                (0..NODES).all(|node| state.log.iter().filter(|there| **there == node).count() <= 1)
            }),
            Property::<Self>::always("what was told is there", |_, state| {
                (0..NODES).all(|node| state.phases[node] != Phase::Told || state.log.contains(&node))
            }),
            Property::<Self>::sometimes("everybody is told in spite of losses", |_, state| {
                state.losses == LOSSES && state.phases.iter().all(|phase| *phase == Phase::Told)
            }),
            Property::<Self>::sometimes("a look is refused", |_, state| {
                state.phases.contains(&Phase::Refused)
            }),
        ]
    }
}

fn broken_promises(broken: Broken) -> Vec<&'static str> {
    let checker = Turns { broken }.checker().spawn_bfs().join();
    let promises =
        ["no look stands behind the revocation", "nothing is there twice", "what was told is there"];
    promises.into_iter().filter(|promise| checker.discovery(promise).is_some()).collect()
}

#[test]
fn over_every_interleaving_and_loss_the_promises_hold() {
    let checker = Turns { broken: Broken::No }.checker().spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.unique_state_count() > 1000, "{}", checker.unique_state_count());
}

#[test]
fn without_the_compare_a_look_stands_behind_its_revocation() {
    assert!(broken_promises(Broken::WithoutCompare).contains(&"no look stands behind the revocation"));
}

#[test]
fn a_node_that_decides_before_its_turn_looks_behind_the_revocation() {
    assert!(broken_promises(Broken::DecidesBeforeItsTurn).contains(&"no look stands behind the revocation"));
}

#[test]
fn a_node_that_tries_again_without_looking_appends_twice() {
    assert!(broken_promises(Broken::RetriesWithoutLooking).contains(&"nothing is there twice"));
}

#[test]
fn a_node_that_looks_while_its_commit_is_under_way_appends_twice() {
    assert!(broken_promises(Broken::LooksWithoutTurn).contains(&"nothing is there twice"));
}
