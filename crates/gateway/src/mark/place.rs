//! Where in a page the mark's tags go: in front of everything that the head holds, so that the mark is there before
//! anything is painted, and behind the doctype, without which a page would look different.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http_body_util::BodyDataStream;

/// A page whose head has not begun after so much gets the tags at its end.
const LONGEST_PROLOGUE: usize = 64 << 10;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a page begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The tags go here.
    Here(usize),
    /// It depends on what follows.
    Unclear,
}

/// The page with `tags` in it.
pub(super) fn insert(page: Vec<u8>, tags: &str) -> Vec<u8> {
    let at = match find(&page) {
        Place::Here(at) => at,
        Place::Unclear => page.len(),
    };
    [&page[..at], tags.as_bytes(), &page[at..]].concat()
}

/// A page that comes in parts, with `tags` in it. Nothing is held back but what comes in front of the head.
pub(super) fn insert_on_the_way(page: Body, tags: String) -> Body {
    let mut insertion = Insertion::Waiting { tags: tags.into(), start: BytesMut::new() };
    let parts = BodyDataStream::new(page).map(Some).chain(stream::iter([None]));
    Body::from_stream(parts.filter_map(move |part| {
        let part = match part {
            Some(Ok(part)) => Some(Ok(insertion.take(part))),
            Some(Err(error)) => Some(Err(error)),
            None => Some(Ok(insertion.end())),
        };
        async move { part.filter(|part| !matches!(part, Ok(bytes) if bytes.is_empty())) }
    }))
}

enum Insertion {
    Waiting { tags: Bytes, start: BytesMut },
    Late { tags: Bytes },
    Done,
}

impl Insertion {
    fn take(&mut self, part: Bytes) -> Bytes {
        let Insertion::Waiting { tags, start } = self else { return part };
        start.extend_from_slice(&part);
        match find(start) {
            Place::Here(at) => {
                let whole = [&start[..at], tags, &start[at..]].concat();
                *self = Insertion::Done;
                whole.into()
            }
            Place::Unclear if start.len() > LONGEST_PROLOGUE => {
                let start = std::mem::take(start).freeze();
                *self = Insertion::Late { tags: std::mem::take(tags) };
                start
            }
            Place::Unclear => Bytes::new(),
        }
    }

    fn end(&mut self) -> Bytes {
        match std::mem::replace(self, Insertion::Done) {
            Insertion::Waiting { tags, start } => [&start[..], &tags].concat().into(),
            Insertion::Late { tags } => tags,
            Insertion::Done => Bytes::new(),
        }
    }
}

/// Where the content of the head begins: behind byte order mark, white space, comments, doctype and the tags of `html`
/// and `head` (HTML, sections 13.1 and 13.2.6.4.1 to 13.2.6.4.4).
fn find(page: &[u8]) -> Place {
    if page.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(page) {
        return Place::Unclear;
    }
    let mut at = if page.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    loop {
        at += page[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let rest = &page[at..];
        let skipped = match Piece::at(rest) {
            Piece::Comment => comment(rest),
            Piece::Bogus | Piece::Doctype => rest.iter().position(|byte| *byte == b'>').map(|end| end + 1),
            Piece::Html => tag(rest),
            Piece::Head => match tag(rest) {
                Some(length) => return Place::Here(at + length),
                None => None,
            },
            Piece::Cut => None,
            Piece::Content => return Place::Here(at),
        };
        match skipped {
            Some(length) => at += length,
            None => return Place::Unclear,
        }
    }
}

/// What stands at the beginning of `rest`.
#[derive(Clone, Copy)]
enum Piece {
    Comment,
    /// `<?xml …?>`, which browsers take for a comment.
    Bogus,
    Doctype,
    Html,
    Head,
    /// The beginning of one of these, or nothing.
    Cut,
    Content,
}

impl Piece {
    fn at(rest: &[u8]) -> Self {
        let begins =
            |word: &str| rest.len() >= word.len() && rest[..word.len()].eq_ignore_ascii_case(word.as_bytes());
        let cut =
            |word: &str| rest.len() < word.len() && word.as_bytes()[..rest.len()].eq_ignore_ascii_case(rest);
        let is_tag = |word: &str| {
            begins(word)
                && rest.get(word.len()).is_some_and(|b| b.is_ascii_whitespace() || matches!(b, b'>' | b'/'))
        };
        if begins("<!--") {
            Piece::Comment
        } else if begins("<!doctype") {
            Piece::Doctype
        } else if begins("<?") {
            Piece::Bogus
        } else if is_tag("<html") {
            Piece::Html
        } else if is_tag("<head") {
            Piece::Head
        } else if ["<!--", "<!doctype", "<html>", "<head>"].iter().any(|word| cut(word)) {
            Piece::Cut
        } else {
            Piece::Content
        }
    }
}

/// The length of a comment, with the ends that browsers accept.
fn comment(rest: &[u8]) -> Option<usize> {
    for abrupt in [&b"<!-->"[..], b"<!--->"] {
        if rest.starts_with(abrupt) {
            return Some(abrupt.len());
        }
    }
    let ends = [&b"-->"[..], b"--!>"];
    (4..rest.len()).find_map(|at| {
        let end = ends.iter().find(|end| rest[at..].starts_with(end))?;
        Some(at + end.len())
    })
}

/// The length of a tag; a `>` between quotes does not end it.
fn tag(rest: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in rest.iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(*byte),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use proptest::prelude::*;

    fn inserted(page: &str) -> String {
        String::from_utf8(insert(page.as_bytes().to_vec(), "[T]")).unwrap()
    }

    #[test]
    fn the_tags_come_first_in_the_head_and_behind_the_doctype() {
        for (page, expected) in [
            ("<!doctype html><html lang=en><head><title>x", "<!doctype html><html lang=en><head>[T]<title>x"),
            (
                "\u{feff}<!DOCTYPE HTML>\n<HTML>\n<HEAD \ndata-x='>'>x",
                "\u{feff}<!DOCTYPE HTML>\n<HTML>\n<HEAD \ndata-x='>'>[T]x",
            ),
            ("<!-- <head> --><html><!----><head/>", "<!-- <head> --><html><!----><head/>[T]"),
            ("<!--><head>x", "<!--><head>[T]x"),
            ("<!-- a --!><title>t", "<!-- a --!>[T]<title>t"),
            ("<?xml version='1.0'?><html><body>", "<?xml version='1.0'?><html>[T]<body>"),
            ("<header>no head</header>", "[T]<header>no head</header>"),
            ("plain", "[T]plain"),
            ("", "[T]"),
            ("<!-- never closed", "<!-- never closed[T]"),
        ] {
            assert_eq!(inserted(page), expected);
        }
    }

    proptest! {
        #[test]
        fn in_whatever_parts_a_page_comes_the_tags_stand_in_the_same_place(
            page in "(\u{feff})?(<!doctype html>| |\n|<!-- [<>a-z-]{0,9} -->|<\\?x\\?>|<html( a=\">\")?>){0,4}(<head>)?(<title>t</title>|<he|<p>){0,2}",
            cuts in proptest::collection::vec(0..60usize, 0..5),
        ) {
            let whole = insert(page.clone().into_bytes(), "[T]");
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(page.len())).collect();
            cuts.sort_unstable();
            let mut parts = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([page.len()]) {
                parts.push(Ok::<_, std::io::Error>(Bytes::copy_from_slice(&page.as_bytes()[from..cut])));
                from = cut;
            }
            let body = insert_on_the_way(Body::from_stream(stream::iter(parts)), "[T]".to_owned());
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let got = runtime.block_on(body.collect()).unwrap().to_bytes();
            prop_assert_eq!(got, whole);
        }

        #[test]
        fn no_bytes_are_lost_changed_or_make_it_panic(page: Vec<u8>) {
            let got = insert(page.clone(), "[T]");
            let at = got.len() - page.len();
            prop_assert_eq!(at, 3);
            let found = got.windows(3).enumerate().any(|(i, w)| w == b"[T]" && [&got[..i], &got[i + 3..]].concat() == page);
            prop_assert!(found);
        }
    }
}
