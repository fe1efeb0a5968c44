//! JSON paths: the part of RFC 9535 that can be followed in one pass over the bytes.

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// `.name` or `['name']`.
    Name(String),
    /// `.*` or `[*]`.
    Any,
    /// `[0]`.
    Index(usize),
    /// `..`: this value and all below it. Another step follows.
    Below,
}

/// Why a path is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{path:?} is not a path that can be followed here ({why}); a path begins with $ and is made of .name, ['name'], [0], .* or [*], and .."
)]
pub(crate) struct BadPath {
    path: String,
    why: &'static str,
}

/// Reads a path.
pub(crate) fn parse(path: &str) -> Result<Vec<Step>, BadPath> {
    steps(path).map_err(|why| BadPath { path: path.to_owned(), why })
}

fn steps(path: &str) -> Result<Vec<Step>, &'static str> {
    let mut rest = path.strip_prefix('$').ok_or("it does not begin with $")?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("..") {
            steps.push(Step::Below);
            rest = match after.as_bytes().first() {
                Some(b'[') => after,
                Some(b'.') | None => return Err("nothing follows .."),
                Some(_) => shorthand(after, &mut steps)?,
            };
        } else if let Some(after) = rest.strip_prefix('.') {
            rest = shorthand(after, &mut steps)?;
        } else if let Some(after) = rest.strip_prefix('[') {
            rest = bracket(after, &mut steps)?;
        } else {
            return Err("a step begins with . or [");
        }
    }
    match steps.last() {
        Some(Step::Below) => Err("nothing follows .."),
        _ => Ok(steps),
    }
}

/// What follows a dot: `*` or a name.
fn shorthand<'a>(text: &'a str, steps: &mut Vec<Step>) -> Result<&'a str, &'static str> {
    if let Some(rest) = text.strip_prefix('*') {
        steps.push(Step::Any);
        return Ok(rest);
    }
    let end =
        text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii())).unwrap_or(text.len());
    let name = &text[..end];
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("a name after . begins with a letter; write others as ['name']");
    }
    steps.push(Step::Name(name.to_owned()));
    Ok(&text[end..])
}

/// What follows `[`: `*]`, `0]`, `'name']` or `"name"]`.
fn bracket<'a>(text: &'a str, steps: &mut Vec<Step>) -> Result<&'a str, &'static str> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    if let Some(quote) = quote {
        let (name, rest) = text[1..].split_once(quote).ok_or("a quote is not closed")?;
        if name.contains('\\') {
            return Err("names with a backslash are not supported");
        }
        steps.push(Step::Name(name.to_owned()));
        return rest.strip_prefix(']').ok_or("unions are not supported, or ] is missing");
    }
    let (inside, rest) = text.split_once(']').ok_or("] is missing")?;
    match inside {
        "*" => steps.push(Step::Any),
        "0" => steps.push(Step::Index(0)),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0') => {
            steps.push(Step::Index(digits.parse().map_err(|_| "not an index")?));
        }
        _ => return Err("filters, slices, unions and negative indexes are not supported"),
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_supported_part_is_read() {
        use Step::{Any, Below, Index, Name};
        let name = |n: &str| Name(n.to_owned());
        for (path, steps) in [
            ("$", vec![]),
            ("$.a.b", vec![name("a"), name("b")]),
            ("$['first name'][\"x\"]", vec![name("first name"), name("x")]),
            ("$.rows[*].id", vec![name("rows"), Any, name("id")]),
            ("$..email", vec![Below, name("email")]),
            ("$..[0].*", vec![Below, Index(0), Any]),
            ("$.größe[12]", vec![name("größe"), Index(12)]),
        ] {
            assert_eq!(parse(path), Ok(steps), "{path}");
        }
    }

    #[test]
    fn anything_else_is_refused_and_says_what_is_supported() {
        for path in [
            "",
            "a",
            "$.",
            "$..",
            "$...a",
            "$[?@.a]",
            "$[0:2]",
            "$[-1]",
            "$['a','b']",
            "$[01]",
            "$.a-b",
            "$['a",
        ] {
            let error = parse(path).unwrap_err().to_string();
            assert!(error.contains("['name'], [0], .* or [*], and .."), "{path}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_a_path_to_others_too(path in "\\$((\\.\\.?[a-z*]{1,3})|(\\[[0-9*]{1,2}\\])|(\\['[a-z ]{0,3}'\\])){0,4}") {
            if parse(&path).is_ok() {
                prop_assert!(serde_json_path::JsonPath::parse(&path).is_ok(), "{}", path);
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(path: String) {
            let _ = parse(&path);
        }
    }
}
