//! Nearly every line is one flat object of plain strings. Those are read here, several times faster than by a parser for
//! all of JSON; whatever else a line holds is left to that parser, so that both say the same.

use model::{ClassSet, FieldClass};

use super::{Fields, Raw, Text};

/// The line, if it is plain.
pub(super) fn read(line: &str) -> Option<Raw<'_>> {
    let mut at = Scan { line, at: 0, seen: 0 };
    let mut raw = Raw::default();
    let mut kind = None;
    at.expect(b'{')?;
    loop {
        let key = at.string()?;
        at.expect(b':')?;
        match key {
            "time" => at.text(0, &mut raw.time)?,
            "staff" => at.text(1, &mut raw.staff)?,
            "team" => at.text(2, &mut raw.team)?,
            "role" => at.text(3, &mut raw.role)?,
            "employer" => at.text(4, &mut raw.employer)?,
            "customer" => at.text(5, &mut raw.customer)?,
            "tier" => at.text(6, &mut raw.tier)?,
            "event" => at.text(7, &mut raw.event)?,
            "ticket" => at.text(8, &mut raw.ticket)?,
            "by" => at.text(9, &mut raw.by)?,
            "to" => at.text(10, &mut raw.to)?,
            "action" => at.text(11, &mut raw.action)?,
            "session" => at.text(12, &mut raw.session)?,
            "ip" => at.text(13, &mut raw.ip)?,
            "kind" => {
                at.once(14)?;
                kind = Some(at.string()?);
            }
            "canary" => {
                at.once(15)?;
                raw.canary = Some(at.truth()?);
            }
            "fields" => {
                at.once(16)?;
                raw.fields = Some(at.classes()?);
            }
            _ => drop(at.string()?),
        }
        match at.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    raw.kind = Text::from(kind?);
    at.rest().is_empty().then_some(raw)
}

struct Scan<'a> {
    line: &'a str,
    at: usize,
    /// A bit for each key that came.
    seen: u32,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        self.line.get(self.at..).unwrap_or_default()
    }

    /// The next byte behind spaces.
    fn next(&mut self) -> Option<u8> {
        loop {
            let byte = *self.line.as_bytes().get(self.at)?;
            self.at += 1;
            if byte != b' ' {
                return Some(byte);
            }
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// A string without escapes.
    fn string(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let rest = self.rest();
        let end = rest.bytes().position(|b| b == b'"' || b == b'\\' || b < b' ')?;
        self.at += end + 1;
        // At a quotation mark, which is never part of a longer character.
        (rest.as_bytes()[end] == b'"').then(|| rest.get(..end)).flatten()
    }

    /// A key that comes twice is an error, which is not told here.
    fn once(&mut self, key: u32) -> Option<()> {
        let before = self.seen;
        self.seen |= 1 << key;
        (self.seen != before).then_some(())
    }

    /// A string, or `null`.
    fn text(&mut self, key: u32, place: &mut Option<Text<'a>>) -> Option<()> {
        self.once(key)?;
        let before = self.at;
        if self.next()? == b'n' {
            return self.word("ull");
        }
        self.at = before;
        *place = Some(Text::from(self.string()?));
        Some(())
    }

    fn word(&mut self, rest: &str) -> Option<()> {
        self.rest().starts_with(rest).then(|| self.at += rest.len())
    }

    fn truth(&mut self) -> Option<bool> {
        match self.next()? {
            b't' => self.word("rue").map(|()| true),
            b'f' => self.word("alse").map(|()| false),
            _ => None,
        }
    }

    fn classes(&mut self) -> Option<Fields> {
        self.expect(b'[')?;
        let mut set = ClassSet::EMPTY;
        let before = self.at;
        if self.next()? == b']' {
            return Some(Fields(set));
        }
        self.at = before;
        loop {
            set.insert(self.string()?.parse().unwrap_or(FieldClass::Undeclared));
            match self.next()? {
                b',' => {}
                b']' => return Some(Fields(set)),
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Line;

    fn both_agree(line: &str) {
        let general =
            serde_json::from_str::<super::Raw<'_>>(line).map_err(Into::into).and_then(super::Raw::into_line);
        if let Some(plain) = super::read(line) {
            match (plain.into_line(), general) {
                (Ok(plain), Ok(general)) => assert_eq!(plain, general, "{line}"),
                (Err(plain), Err(general)) => assert_eq!(plain.to_string(), general.to_string(), "{line}"),
                (plain, general) => panic!("{line}: {plain:?}, {general:?}"),
            }
        }
    }

    #[test]
    fn plain_lines_are_read_here_and_others_are_left() {
        let plain = r#"{"kind":"access","time":"2026-03-02T09:00:00Z","staff":"s-1","customer":"c-ä","fields":["contact.email","x"],"ticket":null,"more":"kept"}"#;
        assert!(super::read(plain).is_some() && Line::parse(plain).is_ok());
        both_agree(plain);
        let spaced = r#"{"kind": "customer", "customer": "c-9", "tier": "high_value", "canary": true}"#;
        assert!(super::read(spaced).is_some());
        both_agree(spaced);
        for left in [
            r#"{"kind":"customer","customer":"c\u002d9"}"#,
            r#"{"kind":"customer","customer":"c-9","x":{"y":1}}"#,
            r#"{"kind":"customer","customer":"c-9","customer":"c-8"}"#,
            r#"{"kind":"customer","customer":"c-9","canary":null}"#,
            r#"{"kind":"customer","customer":"c-9"}}"#,
            r#"{"kind":"customer","customer":"c-9""#,
            "{}",
            "",
        ] {
            assert!(super::read(left).is_none(), "{left}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_here_is_what_the_general_parser_reads(parts in proptest::collection::vec(
            prop_oneof![
                Just("{"), Just("}"), Just("["), Just("]"), Just(","), Just(":"), Just("null"), Just("true"), Just(" "),
                Just(r#""kind":"access","#), Just(r#""kind":"staff","#), Just(r#""staff":"s-1""#), Just(r#""to":null"#),
                Just(r#""time":"2026-03-02T09:00:00Z","#), Just(r#""fields":["contact.email"]"#), Just(r#""canary":false"#),
                Just("\""), Just("\\"), Just("ü"), Just("1"),
            ],
            0..14,
        )) {
            both_agree(&parts.concat());
            both_agree(&format!(r#"{{"kind":"access",{}}}"#, parts.concat()));
        }
    }
}
