//! Numbers for names, so that everything else works on numbers.

use std::collections::HashMap;
use std::sync::Arc;

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

/// Names in the order in which they were first met.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    list: Vec<Arc<str>>,
    index: HashMap<Arc<str>, u32>,
}

impl Names {
    /// The number of this name; a new one if it was never met.
    pub(crate) fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.index.get(name) {
            return *number;
        }
        let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        let name: Arc<str> = name.into();
        self.list.push(name.clone());
        self.index.insert(name, number);
        number
    }

    /// The number of a name that was met.
    pub(crate) fn known(&self, name: &str) -> Option<u32> {
        self.index.get(name).copied()
    }

    /// Forgets a name; its number stands for nobody any more.
    pub(crate) fn forget(&mut self, name: &str) {
        let Some(number) = self.index.remove(name) else { return };
        let nobody: Arc<str> = format!("~{number}").into();
        if let Some(place) = self.list.get_mut(number as usize) {
            *place = nobody.clone();
        }
        // So that names read back with the numbers that they have.
        self.index.insert(nobody, number);
    }

    /// The name with this number.
    pub(crate) fn name(&self, number: u32) -> &str {
        self.list.get(number as usize).map(|name| &**name).unwrap_or_default()
    }
}

impl<C> Encode<C> for Names {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.array(self.list.len() as u64)?;
        for name in &self.list {
            e.str(name)?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Names {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let mut names = Self::default();
        let count = d.array()?.ok_or_else(|| DecodeError::message("a list of known length"))?;
        for _ in 0..count {
            names.number(d.str()?);
        }
        Ok(names)
    }
}
