//! Aligned columns.

/// Rows under headings. A heading that begins with `>` makes a column of numbers, aligned to the right; the
/// last column may be marked `*` and then takes what is left of the line, on several lines if need be.
pub(super) struct Table<const N: usize> {
    head: [&'static str; N],
    rows: Vec<[String; N]>,
}

/// Between two columns.
const GAP: usize = 2;

/// A last column that would get less than this goes beneath its row instead.
const NARROW: usize = 16;

impl<const N: usize> Table<N> {
    pub(super) fn new(head: [&'static str; N]) -> Self {
        Self { head, rows: Vec::new() }
    }

    /// Control characters become spaces: names come from other systems, and must not move the cursor.
    pub(super) fn row(&mut self, row: [String; N]) {
        self.rows.push(row.map(|cell| cell.replace(char::is_control, " ")));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn write(&self, width: usize, out: &mut String) {
        let head = self.head.map(|head| head.trim_start_matches(['>', '*']).to_owned());
        let wraps = self.head.last().is_some_and(|head| head.starts_with('*'));
        let fixed = if wraps { N - 1 } else { N };
        let widths: Vec<usize> = (0..fixed)
            .map(|i| self.rows.iter().chain([&head]).map(|row| length(&row[i])).max().unwrap_or(0))
            .collect();
        let taken = widths.iter().map(|w| w + GAP).sum::<usize>();
        let rest = width.saturating_sub(taken);
        for row in [&head].into_iter().chain(&self.rows) {
            let mut line = String::new();
            for (i, width) in widths.iter().enumerate() {
                let padding = " ".repeat(width - length(&row[i]));
                let (before, after) =
                    if self.head[i].starts_with('>') { (&*padding, "") } else { ("", &*padding) };
                line += &format!("{before}{}{after}{}", row[i], " ".repeat(GAP));
            }
            if !wraps {
                push_line(out, &line);
            } else if rest >= NARROW {
                let mut lines = String::new();
                wrap(&row[N - 1], rest, &mut lines);
                push_line(
                    out,
                    &(line + &lines.trim_end().replace('\n', &format!("\n{}", " ".repeat(taken)))),
                );
            } else {
                push_line(out, &line);
                let mut lines = String::new();
                wrap(&row[N - 1], width.saturating_sub(4).max(NARROW), &mut lines);
                lines.lines().for_each(|part| push_line(out, &format!("    {part}")));
            }
        }
    }
}

/// Breaks text between words into lines of at most `width`, where words allow it.
pub(super) fn wrap(text: &str, width: usize, out: &mut String) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && length(&line) + 1 + length(word) > width {
            push_line(out, &line);
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    push_line(out, &line);
}

fn push_line(out: &mut String, line: &str) {
    *out += line.trim_end();
    out.push('\n');
}

/// In characters: what is shown here is pseudonyms, numbers and words.
fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(width: usize) -> String {
        let mut table = Table::new(["staff", ">looks", "*classes"]);
        table.row(["s-1".into(), "7".into(), "contact.email, contact.phone, account.balance".into()]);
        table.row(["somebody".into(), "1204".into(), "identity.name".into()]);
        let mut out = String::new();
        table.write(width, &mut out);
        out
    }

    #[test]
    fn columns_are_aligned_and_the_last_takes_the_rest() {
        let wide = "\
staff     looks  classes
s-1           7  contact.email, contact.phone, account.balance
somebody   1204  identity.name
";
        assert_eq!(written(80), wide);
        let narrow = "\
staff     looks  classes
s-1           7  contact.email,
                 contact.phone,
                 account.balance
somebody   1204  identity.name
";
        assert_eq!(written(34), narrow);
        assert!(written(24).contains("\n    contact.email,\n"), "beneath the row:\n{}", written(24));
    }

    #[test]
    fn a_name_cannot_move_the_cursor() {
        let mut table = Table::new(["customer"]);
        table.row(["c-1\u{1b}[2J\r\nforged".into()]);
        let mut out = String::new();
        table.write(80, &mut out);
        assert!(!out.contains(['\u{1b}', '\r']) && out.lines().count() == 2, "{out:?}");
    }

    proptest! {
        #[test]
        fn wrapped_text_has_the_same_words_on_lines_no_longer_than_asked(text: String, width in 1..60usize) {
            let mut out = String::new();
            wrap(&text, width, &mut out);
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(words(&out), words(&text));
            for line in out.split('\n') {
                prop_assert!(length(line) <= width || !line.contains(char::is_whitespace));
            }
        }
    }
}
