//! HTML character references: undone to read a value, done to write one.

use std::borrow::Cow;

/// The names of U+00A0 to U+00FF, in order.
const LATIN: [&str; 96] = [
    "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf", "laquo",
    "not", "shy", "reg", "macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro", "para", "middot",
    "cedil", "sup1", "ordm", "raquo", "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc",
    "Atilde", "Auml", "Aring", "AElig", "Ccedil", "Egrave", "Eacute", "Ecirc", "Euml", "Igrave", "Iacute",
    "Icirc", "Iuml", "ETH", "Ntilde", "Ograve", "Oacute", "Ocirc", "Otilde", "Ouml", "times", "Oslash",
    "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute", "THORN", "szlig", "agrave", "aacute", "acirc", "atilde",
    "auml", "aring", "aelig", "ccedil", "egrave", "eacute", "ecirc", "euml", "igrave", "iacute", "icirc",
    "iuml", "eth", "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml", "divide", "oslash", "ugrave",
    "uacute", "ucirc", "uuml", "yacute", "thorn", "yuml",
];

const OTHERS: &[(&str, char)] = &[
    ("amp", '&'),
    ("AMP", '&'),
    ("lt", '<'),
    ("LT", '<'),
    ("gt", '>'),
    ("GT", '>'),
    ("quot", '"'),
    ("QUOT", '"'),
    ("apos", '\''),
    ("commat", '@'),
    ("period", '.'),
    ("plus", '+'),
    ("colon", ':'),
    ("semi", ';'),
    ("comma", ','),
    ("sol", '/'),
    ("bsol", '\\'),
    ("lpar", '('),
    ("rpar", ')'),
    ("num", '#'),
    ("equals", '='),
    ("lowbar", '_'),
    ("excl", '!'),
    ("quest", '?'),
    ("percnt", '%'),
    ("dollar", '$'),
    ("ast", '*'),
    ("midast", '*'),
    ("lsqb", '['),
    ("lbrack", '['),
    ("rsqb", ']'),
    ("rbrack", ']'),
    ("lcub", '{'),
    ("rcub", '}'),
    ("verbar", '|'),
    ("vert", '|'),
    ("grave", '`'),
    ("Hat", '^'),
    ("Tab", '\t'),
    ("NewLine", '\n'),
    ("hyphen", '\u{2010}'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bull", '•'),
    ("hellip", '…'),
    ("euro", '€'),
    ("trade", '™'),
    ("ensp", '\u{2002}'),
    ("emsp", '\u{2003}'),
    ("thinsp", '\u{2009}'),
    ("zwnj", '\u{200c}'),
    ("zwj", '\u{200d}'),
];

/// A value with its references undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decoded<'a> {
    pub(crate) text: Cow<'a, str>,
    /// False if a reference was left as it is because its name is not known here: then the text cannot be
    /// given back to the app as the original.
    pub(crate) complete: bool,
}

/// Undoes the references in a text or an attribute value.
pub(crate) fn decode(raw: &str) -> Decoded<'_> {
    let Some(first) = raw.find('&') else { return Decoded { text: Cow::Borrowed(raw), complete: true } };
    let mut text = raw[..first].to_owned();
    let mut complete = true;
    let mut rest = &raw[first..];
    while let Some(after) = rest.strip_prefix('&') {
        match reference(after) {
            Reference::Char(c, length) => {
                text.push(c);
                rest = &after[length..];
            }
            Reference::Unknown => {
                complete = false;
                text.push('&');
                rest = after;
            }
            Reference::None => {
                text.push('&');
                rest = after;
            }
        }
        let next = rest.find('&').unwrap_or(rest.len());
        text.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    Decoded { text: Cow::Owned(text), complete }
}

enum Reference {
    /// A character, and how long its reference is after the ampersand.
    Char(char, usize),
    /// Something that may well be a reference.
    Unknown,
    /// Just an ampersand.
    None,
}

fn reference(after: &str) -> Reference {
    if let Some(number) = after.strip_prefix('#') {
        let (radix, digits, head) = match number.strip_prefix(['x', 'X']) {
            Some(digits) => (16, digits, 2),
            None => (10, number, 1),
        };
        let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        if end == 0 {
            return Reference::None;
        }
        let semicolon = usize::from(digits[end..].starts_with(';'));
        let code = u32::from_str_radix(&digits[..end], radix).ok();
        // HTML section 13.2.5.84: what is no character becomes U+FFFD.
        let c = code.and_then(char::from_u32).filter(|c| *c != '\0').unwrap_or('\u{fffd}');
        return Reference::Char(c, head + end + semicolon);
    }
    let end = after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
    let name = &after[..end];
    let closed = after[end..].starts_with(';');
    if name.is_empty() {
        return Reference::None;
    }
    match named(name) {
        Some(c) if closed => Reference::Char(c, end + 1),
        // Without a semicolon parsers differ between text and attributes: read for the mask, never given back.
        _ => Reference::Unknown,
    }
}

fn named(name: &str) -> Option<char> {
    let other = OTHERS.iter().find(|(known, _)| *known == name).map(|(_, c)| *c);
    other.or_else(|| {
        let at = LATIN.iter().position(|known| *known == name)?;
        char::from_u32(0xA0 + at as u32)
    })
}

/// Writes a text so that it can stand between tags and between quotes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Parsers drop a newline at the start of some elements and may turn CR into LF.
            '\r' => escaped.push_str("&#13;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn references_are_undone() {
        for (raw, text, complete) in [
            ("plain", "plain", true),
            ("j&#64;x&#x2E;com", "j@x.com", true),
            ("M&uuml;ller &amp; S&ouml;hne", "Müller & Söhne", true),
            ("a & b", "a & b", true),
            ("&CounterClockwiseContourIntegral;", "&CounterClockwiseContourIntegral;", false),
            ("&#0;", "\u{fffd}", true),
            ("&commat;", "@", true),
        ] {
            assert_eq!(decode(raw), Decoded { text: text.into(), complete }, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_reads_back(text: String) {
            let escaped = escape(&text);
            prop_assert_eq!(decode(&escaped), Decoded { text: text.into(), complete: true });
        }

        #[test]
        fn a_parser_undoes_them_alike(raw in "[a-z &;#0-9x]{0,20}") {
            let decoded = decode(&raw);
            if decoded.complete {
                let parsed = scraper::Html::parse_fragment(&format!("<i>{raw}</i>"));
                let said: String = parsed.root_element().text().collect();
                prop_assert_eq!(said, decoded.text);
            }
        }
    }
}
