//! Many JSON paths as one automaton: a scanner that walks down a document always knows which paths
//! lead where it is, at the cost of a few comparisons a key.

use model::FieldClass;

use crate::path::Step;

/// What a place that a path leads to means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It and what is below it is of this class.
    Class(FieldClass),
    /// It is no personal data; says nothing about what is below it.
    Public,
    /// A part that belongs to one customer begins here (by index into the route's parts).
    Part(usize),
    /// The id of the customer of that part.
    CustomerOf(usize),
    /// The id of the ticket of that part.
    TicketOf(usize),
}

/// The compiled paths.
#[derive(Debug, Clone)]
pub(crate) struct Automaton {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Default)]
struct Node {
    names: Vec<(Box<str>, u32)>,
    any: Option<u32>,
    at: Vec<(usize, u32)>,
    below: Option<u32>,
    /// Reached by `..`: stays active however far down the scanner goes.
    stays: bool,
    marks: Vec<Mark>,
}

/// The states that are active at the places from the root to where the scanner is, one after the other.
pub(crate) type Active = Vec<u32>;

impl Automaton {
    /// No path at all.
    pub(crate) fn new() -> Self {
        Self { nodes: vec![Node::default()] }
    }

    /// Adds a path.
    pub(crate) fn add(&mut self, path: &[Step], mark: Mark) {
        let end = path.iter().fold(0, |from, step| self.step(from, step));
        let marks = &mut self.nodes[end as usize].marks;
        if !marks.contains(&mark) {
            marks.push(mark);
        }
    }

    fn step(&mut self, from: u32, step: &Step) -> u32 {
        let node = &self.nodes[from as usize];
        let known = match step {
            Step::Name(name) => node.names.iter().find(|(n, _)| **n == **name).map(|(_, to)| *to),
            Step::Any => node.any,
            Step::Index(index) => node.at.iter().find(|(i, _)| i == index).map(|(_, to)| *to),
            Step::Below => node.below,
        };
        known.unwrap_or_else(|| {
            let to = self.nodes.len() as u32;
            self.nodes.push(Node { stays: *step == Step::Below, ..Node::default() });
            let node = &mut self.nodes[from as usize];
            match step {
                Step::Name(name) => node.names.push((name.as_str().into(), to)),
                Step::Any => node.any = Some(to),
                Step::Index(index) => node.at.push((*index, to)),
                Step::Below => node.below = Some(to),
            }
            to
        })
    }

    /// Activates the root.
    pub(crate) fn start(&self, active: &mut Active) {
        self.activate(0, active, 0);
    }

    /// From the states `active[from..]` to those at the member `name`, pushed at the end.
    pub(crate) fn enter_name(&self, active: &mut Active, from: usize, name: &str) {
        let next = |node: &Node| node.names.iter().find(|(n, _)| **n == *name).map(|(_, to)| *to);
        self.enter(active, from, next);
    }

    /// From the states `active[from..]` to those at the element `index`, pushed at the end.
    pub(crate) fn enter_index(&self, active: &mut Active, from: usize, index: usize) {
        let next = |node: &Node| node.at.iter().find(|(at, _)| *at == index).map(|(_, to)| *to);
        self.enter(active, from, next);
    }

    fn enter(&self, active: &mut Active, from: usize, next: impl Fn(&Node) -> Option<u32>) {
        let fresh = active.len();
        for i in from..fresh {
            let state = active[i];
            let node = &self.nodes[state as usize];
            for to in next(node).into_iter().chain(node.any) {
                self.activate(to, active, fresh);
            }
            if node.stays {
                self.activate(state, active, fresh);
            }
        }
    }

    /// Pushes a state once among `active[fresh..]`, and the one that `..` reaches from it.
    fn activate(&self, state: u32, active: &mut Active, fresh: usize) {
        for state in std::iter::once(state).chain(self.nodes[state as usize].below) {
            if !active[fresh..].contains(&state) {
                active.push(state);
            }
        }
    }

    /// What the places of these states mean.
    pub(crate) fn marks<'a>(&'a self, states: &'a [u32]) -> impl Iterator<Item = Mark> + 'a {
        states.iter().flat_map(|state| &self.nodes[*state as usize].marks).copied()
    }
}
