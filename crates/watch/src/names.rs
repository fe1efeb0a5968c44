//! Numbers for names, so that everything else works on numbers.

use std::collections::HashMap;
use std::sync::Arc;

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

/// Names in the order in which they were first met. Numbers of names that were forgotten are given out again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// None: forgotten.
    list: Vec<Option<Arc<str>>>,
    /// Numbers to give out again, the last first.
    free: Vec<u32>,
    index: HashMap<Arc<str>, u32>,
}

impl Names {
    /// The number of this name; a new one if it was never met.
    pub(crate) fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.index.get(name) {
            return *number;
        }
        let name: Arc<str> = name.into();
        let number = match self.free.pop() {
            Some(number) => {
                self.list[number as usize] = Some(name.clone());
                number
            }
            None => {
                self.list.push(Some(name.clone()));
                u32::try_from(self.list.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.index.insert(name, number);
        number
    }

    /// The number of a name that was met.
    pub(crate) fn known(&self, name: &str) -> Option<u32> {
        self.index.get(name).copied()
    }

    /// Forgets a name; its number stands for nobody any more, and is not given out again.
    pub(crate) fn forget(&mut self, name: &str) {
        if let Some(number) = self.index.remove(name)
            && let Some(place) = self.list.get_mut(number as usize)
        {
            *place = None;
        }
    }

    /// The name with this number.
    pub(crate) fn name(&self, number: u32) -> &str {
        self.list.get(number as usize).and_then(|name| name.as_deref()).unwrap_or_default()
    }

    /// Forgets names of which nothing speaks any more, so that their numbers can be given out again.
    pub(crate) fn free(&mut self, mut numbers: Vec<u32>) {
        // In an order of its own, so that a run and its restart give out the same numbers.
        numbers.sort_unstable();
        for number in numbers {
            if let Some(name) = self.list.get_mut(number as usize).and_then(Option::take) {
                self.index.remove(&name);
                self.free.push(number);
            }
        }
    }
}

impl<C> Encode<C> for Names {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.array(2)?.array(self.list.len() as u64)?;
        for name in &self.list {
            match name {
                Some(name) => e.str(name)?,
                None => e.null()?,
            };
        }
        e.encode(&self.free)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Names {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let mut names = Self::default();
        if d.array()? != Some(2) {
            return Err(DecodeError::message("names and free numbers"));
        }
        let count = d.array()?.ok_or_else(|| DecodeError::message("a list of known length"))?;
        for number in 0..count {
            let name: Option<Arc<str>> = d.decode::<Option<&str>>()?.map(Into::into);
            if let Some(name) = &name {
                let number = u32::try_from(number).map_err(|_| DecodeError::message("too many names"))?;
                names.index.insert(name.clone(), number);
            }
            names.list.push(name);
        }
        names.free = d.decode()?;
        if names.free.iter().any(|number| names.list.get(*number as usize).is_none_or(Option::is_some)) {
            return Err(DecodeError::message("a number that is not free"));
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forgotten_name_makes_room_for_another_also_after_a_restart() {
        let mut names = Names::default();
        let numbers: Vec<u32> = ["a", "b", "c"].map(|name| names.number(name)).into();
        names.free(vec![numbers[1]]);
        let saved = minicbor::to_vec(&names).unwrap();
        let mut loaded: Names = minicbor::decode(&saved).unwrap();
        for names in [&mut names, &mut loaded] {
            assert_eq!(names.name(numbers[1]), "");
            assert_eq!((names.number("d"), names.number("c")), (numbers[1], numbers[2]));
            assert_eq!(names.number("b"), 3);
            names.forget("a");
            assert_eq!(names.name(0), "");
            assert_eq!(names.number("a"), 4, "who is erased is a stranger from here on");
        }
    }
}
