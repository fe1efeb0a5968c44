//! Whose values they are, and what is to be done with them: the part of reading that is the same
//! whatever the answer is written in.

use std::ops::Range;

use model::{ClassSet, CustomerId, FieldClass, TicketId};

use crate::{Found, Part, Read, Treatment, Verdict};

/// A part of an answer that belongs to one customer: the answer as a whole, a section, a row.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) part: Part,
    /// Usually one. Where an answer leaves open which of several it is, each of them must allow.
    pub(crate) customers: Vec<CustomerId>,
    pub(crate) ticket: Option<TicketId>,
    /// Which of the route's parts this is; none for the answer as a whole.
    pub(crate) kind: Option<usize>,
    pub(crate) parent: usize,
    pub(crate) span: Range<usize>,
}

/// The owners in an answer. The first is the answer as a whole.
#[derive(Debug)]
pub(crate) struct Owners(Vec<Owner>);

/// The answer as a whole.
pub(crate) const WHOLE: usize = 0;

impl Owners {
    pub(crate) fn new(read: &Read, whole: Option<usize>, length: usize) -> Self {
        Self(vec![Owner {
            part: Part::Record,
            customers: read.customer.iter().cloned().collect(),
            ticket: read.ticket.clone(),
            kind: whole,
            parent: WHOLE,
            span: 0..length,
        }])
    }

    pub(crate) fn begin(&mut self, kind: usize, part: Part, parent: usize, start: usize) -> usize {
        self.0.push(Owner {
            part,
            customers: Vec::new(),
            ticket: None,
            kind: Some(kind),
            parent,
            span: start..usize::MAX,
        });
        self.0.len() - 1
    }

    pub(crate) fn end(&mut self, owner: usize, end: usize) {
        self.0[owner].span.end = end;
    }

    /// The nearest owner of this kind, from `from` outwards.
    fn nearest(&mut self, from: usize, kind: usize) -> Option<&mut Owner> {
        let mut at = from;
        while self.0[at].kind != Some(kind) {
            if at == WHOLE {
                return None;
            }
            at = self.0[at].parent;
        }
        self.0.get_mut(at)
    }

    pub(crate) fn name_customer(&mut self, from: usize, kind: usize, id: &str) {
        let id = id.trim();
        if let Some(owner) = self.nearest(from, kind).filter(|_| !id.is_empty())
            && !owner.customers.iter().any(|known| known.as_str() == id)
        {
            owner.customers.push(CustomerId::new(id));
        }
    }

    pub(crate) fn name_ticket(&mut self, from: usize, kind: usize, id: &str) {
        let id = id.trim();
        if let Some(owner) = self.nearest(from, kind).filter(|_| !id.is_empty()) {
            owner.ticket.get_or_insert_with(|| TicketId::new(id));
        }
    }

    /// Where each of them is.
    pub(crate) fn spans(&self) -> Vec<Range<usize>> {
        self.0.iter().map(|owner| owner.span.clone()).collect()
    }

    /// A section of a record that names nobody belongs to whomever the record around it belongs to.
    /// A row that names nobody belongs to nobody that we know of.
    fn settle(mut self) -> Vec<Owner> {
        for at in 1..self.0.len() {
            let parent = self.0[at].parent;
            if self.0[at].part == Part::Record && self.0[at].customers.is_empty() {
                self.0[at].customers = self.0[parent].customers.clone();
            }
            if self.0[at].part == Part::Record && self.0[at].ticket.is_none() {
                self.0[at].ticket = self.0[parent].ticket.clone();
            }
        }
        self.0
    }
}

/// Asks what to do with each value, once for each owner and class, and keeps what was shown.
pub(crate) struct Judge<'t> {
    treatment: &'t mut dyn Treatment,
    owners: Vec<Owner>,
    verdicts: Vec<Vec<(FieldClass, Verdict)>>,
    shown: Vec<ClassSet>,
    seen: Vec<bool>,
    masked: ClassSet,
}

impl<'t> Judge<'t> {
    pub(crate) fn new(owners: Owners, treatment: &'t mut dyn Treatment) -> Self {
        let owners = owners.settle();
        let count = owners.len();
        Self {
            treatment,
            owners,
            verdicts: vec![Vec::new(); count],
            shown: vec![ClassSet::EMPTY; count],
            seen: vec![false; count],
            masked: ClassSet::EMPTY,
        }
    }

    /// What to do with a value that is really there: it counts as shown or as masked.
    pub(crate) fn verdict(&mut self, owner: usize, class: FieldClass) -> Verdict {
        let verdict = self.ask(owner, class);
        self.seen[owner] = true;
        match verdict {
            Verdict::Show => self.shown[owner].insert(class),
            Verdict::Mask | Verdict::Ask(_) => self.masked.insert(class),
        }
        verdict
    }

    fn ask(&mut self, owner: usize, class: FieldClass) -> Verdict {
        if let Some((_, verdict)) = self.verdicts[owner].iter().find(|(known, _)| *known == class) {
            return verdict.clone();
        }
        let Owner { part, customers, .. } = &self.owners[owner];
        let mut verdict = match customers.is_empty() {
            true => self.treatment.verdict(None, *part, class),
            false => Verdict::Show,
        };
        for customer in customers {
            match self.treatment.verdict(Some(customer), *part, class) {
                Verdict::Show => {}
                Verdict::Mask => verdict = Verdict::Mask,
                ask if verdict == Verdict::Show => verdict = ask,
                Verdict::Ask(_) => {}
            }
        }
        self.verdicts[owner].push((class, verdict.clone()));
        verdict
    }

    /// Seals the original of a masked form field.
    pub(crate) fn seal(&mut self, field_name: &str, original: &str) -> String {
        self.treatment.seal(field_name, original)
    }

    /// Each customer once for each part they play, in order of appearance; and what was masked.
    pub(crate) fn finish(self) -> (Vec<Found>, ClassSet) {
        let mut found: Vec<Found> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for (at, owner) in self.owners.into_iter().enumerate() {
            // The answer as a whole and a section are there only if something of them is; a row that
            // names a customer exposes that they exist, even if nothing else of them is shown.
            if !self.seen[at] && owner.part == Part::Record {
                continue;
            }
            for customer in owner.customers {
                let place = *places.entry((customer.clone(), owner.part)).or_insert_with(|| {
                    found.push(Found { customer, ticket: None, part: owner.part, classes: ClassSet::EMPTY });
                    found.len() - 1
                });
                let known = &mut found[place];
                known.classes = known.classes.union(self.shown[at]);
                known.ticket = known.ticket.take().or_else(|| owner.ticket.clone());
            }
        }
        (found, self.masked)
    }
}

/// Shows everything, and keeps which classes there were: reading is masking with this, and throwing the body
/// away.
#[derive(Default)]
pub(crate) struct ShowAll {
    pub(crate) classes: ClassSet,
}

impl Treatment for ShowAll {
    fn verdict(&mut self, _: Option<&CustomerId>, _: Part, class: FieldClass) -> Verdict {
        self.classes.insert(class);
        Verdict::Show
    }

    fn seal(&mut self, _: &str, _: &str) -> String {
        String::new()
    }
}
