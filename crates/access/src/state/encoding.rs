//! The state as bytes: the same state, the same bytes.

use std::collections::BTreeMap;

use minicbor::Encoder;
use minicbor::encode::{Encode, Error};

use super::State;

impl State {
    /// The deterministic encoding of the whole state, for comparing one replay with another. It holds
    /// customers in the clear: keep it in memory.
    #[allow(clippy::expect_used)]
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        self.write(&mut encoder).expect("a Vec takes every byte");
        encoder.into_writer()
    }

    fn write(&self, e: &mut Encoder<Vec<u8>>) -> Result<(), Error<std::convert::Infallible>> {
        e.array(7)?;
        self.write_people(e)?;
        e.encode(self.budgets)?.encode(&self.apps)?.encode(self.policy)?.u64(self.fence)?;
        e.array(self.grants.iter().len() as u64)?;
        self.grants.iter().try_for_each(|held| e.encode(held).map(drop))?;
        e.encode(&self.shifts)?;
        Ok(())
    }

    fn write_people(&self, e: &mut Encoder<Vec<u8>>) -> Result<(), Error<std::convert::Infallible>> {
        let staff: BTreeMap<_, _> = self.people.staff.iter().collect();
        let sessions: BTreeMap<_, _> = self.people.sessions.iter().collect();
        let tokens: BTreeMap<_, _> = self.people.by_token.iter().collect();
        e.array(3)?.encode(&staff)?;
        e.map(sessions.len() as u64)?;
        for (id, session) in sessions {
            e.encode(id)?.array(5)?;
            e.encode(&session.staff)?.encode(&session.door)?;
            e.encode(session.opened)?.encode(session.expires)?.encode(session.ended)?;
        }
        tokens.encode(e, &mut ())
    }
}
