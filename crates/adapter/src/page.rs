//! Writes a page again with its values treated.

use std::ops::Range;

use crate::entity::{decode, escape};
use crate::html::{Control, Field, Page, Place, What};
use crate::judge::Judge;
use crate::mask::mask as looks;
use crate::write::SEALED;
use crate::{Gap, Masked, Treatment, Verdict, net};

/// Masks a page whose values were found.
pub(crate) fn mask(page: Page, text: &str, treatment: &mut dyn Treatment) -> Masked {
    let Page { owners, fields, public, encoded } = page;
    let spans = owners.spans();
    let places = Places { lines: text, owners: &spans };
    let mut writer =
        Writer { text, judge: Judge::new(owners, treatment), edits: Vec::new(), gaps: Vec::new() };
    let mut declared: Vec<Range<usize>> = Vec::new();
    for field in &fields {
        declared.extend(field.places.iter().map(|place| place.span.clone()));
        writer.field(field);
    }
    writer.net(&places, declared, &public, &encoded);
    writer.finish()
}

/// Where things are in the page.
struct Places<'a> {
    lines: &'a str,
    owners: &'a [Range<usize>],
}

impl Places<'_> {
    fn owner(&self, at: usize) -> usize {
        self.owners.iter().rposition(|span| span.contains(&at)).unwrap_or_default()
    }

    /// `line 12, in <td>`. Never more of the page than a tag's name.
    fn name(&self, at: usize) -> String {
        let before = &self.lines[..at];
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let tag = before.rsplit('<').next().filter(|_| before.contains('<')).unwrap_or_default();
        let tag: String =
            tag.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '/').take(20).collect();
        format!("line {line}, after <{tag}>")
    }
}

struct Writer<'a, 't> {
    text: &'a str,
    judge: Judge<'t>,
    edits: Vec<(Range<usize>, String)>,
    gaps: Vec<Gap>,
}

impl Writer<'_, '_> {
    fn field(&mut self, field: &Field) {
        if field.places.is_empty() {
            return;
        }
        let raw: Vec<&str> = field.places.iter().map(|place| &self.text[place.span.clone()]).collect();
        let decoded: Vec<_> = raw.iter().map(|raw| decode(raw)).collect();
        let said = decoded.iter().map(|part| part.text.as_ref()).collect::<Vec<_>>().join(" ");
        let verdict = self.judge.verdict(field.owner, field.class);
        let url = match verdict {
            Verdict::Show => return self.hide_secrets(field),
            Verdict::Mask => None,
            Verdict::Ask(url) => Some(url),
        };
        let value = match &field.control {
            Some(control) => control.value(&said),
            None => said,
        };
        let masked = escape(&looks(field.class, &value));
        for (i, place) in field.places.iter().enumerate() {
            let instead = if i == 0 || place.what == What::Unquoted { masked.as_str() } else { "" };
            self.edits.push((place.span.clone(), written(place, instead)));
        }
        for echo in &field.echoes {
            let held = decode(&self.text[echo.span.clone()]).text;
            let repeats = decoded.iter().any(|part| part.text.len() > 2 && held.contains(part.text.trim()));
            if repeats || !net::hits(&held).is_empty() {
                self.edits.push((echo.span.clone(), written(echo, &masked)));
            }
        }
        if let Some(kind) = field.control.as_ref().and_then(|control| control.kind_at.as_ref()) {
            self.edits.push((kind.span.clone(), written(kind, "text")));
        }
        if let Some(control) = &field.control
            && decoded.iter().all(|part| part.complete)
        {
            self.seal(control, &value);
        }
        if let Some((url, at)) = url.zip(field.ask_at) {
            let link = format!(
                r#"<a class="sightline-ask" href="{}" aria-label="Ask for this field">Ask</a>"#,
                escape(&url)
            );
            self.edits.push((at..at, link));
        }
    }

    /// A hidden field beside a masked control, by which its value finds back.
    fn seal(&mut self, control: &Control, value: &str) {
        let Some(at) = control.hidden_at.filter(|_| !control.name.is_empty()) else { return };
        let sealed = self.judge.seal(&control.name, value);
        let field = format!(
            r#"<input type="hidden" name="{SEALED}{}" value="{}">"#,
            escape(&control.name),
            escape(&sealed)
        );
        self.edits.push((at..at, field));
    }

    /// Secrets that somebody wrote into a text that may be shown.
    fn hide_secrets(&mut self, field: &Field) {
        if !net::may_hold_secrets(field.class) {
            return;
        }
        for place in &field.places {
            let raw = &self.text[place.span.clone()];
            for hit in net::secrets(raw) {
                let span = place.span.start + hit.span.start..place.span.start + hit.span.end;
                self.caught(field.owner, hit.kind, span, "in a declared text".to_owned());
            }
        }
    }

    fn caught(&mut self, owner: usize, kind: net::Kind, span: Range<usize>, place: String) {
        self.gaps.push(Gap { kind: kind.word(), place });
        if self.judge.verdict(owner, kind.class()) != Verdict::Show {
            let instead = looks(kind.class(), &self.text[span.clone()]);
            self.edits.push((span, instead));
        }
    }

    /// Looks at all that no field covers: text, attributes, scripts, comments.
    fn net(
        &mut self,
        places: &Places<'_>,
        mut declared: Vec<Range<usize>>,
        public: &[Range<usize>],
        encoded: &[Range<usize>],
    ) {
        declared.sort_by_key(|span| span.start);
        declared.push(self.text.len()..self.text.len());
        let is_public = |at: usize| public.iter().any(|span| span.contains(&at));
        let mut from = 0;
        for span in declared {
            if from < span.start {
                for hit in net::hits(&self.text[from..span.start]) {
                    let found = from + hit.span.start..from + hit.span.end;
                    if hit.kind.class().is_secret() || !is_public(found.start) {
                        self.caught(
                            places.owner(found.start),
                            hit.kind,
                            found.clone(),
                            places.name(found.start),
                        );
                    }
                }
            }
            from = from.max(span.end);
        }
        for span in encoded {
            let raw = &self.text[span.clone()];
            // What is plain was seen above.
            if let Some(hit) = net::hits(&decode(raw).text).first().filter(|_| net::hits(raw).is_empty()) {
                self.caught(places.owner(span.start), hit.kind, span.clone(), places.name(span.start));
            }
        }
    }

    fn finish(mut self) -> Masked {
        self.edits.sort_by_key(|(span, _)| (span.start, std::cmp::Reverse(span.end)));
        let mut body = Vec::with_capacity(self.text.len() + 64 * self.edits.len());
        let mut copied = 0;
        for (span, instead) in self.edits {
            // Within something that was replaced as a whole.
            if span.start < copied {
                continue;
            }
            body.extend_from_slice(&self.text.as_bytes()[copied..span.start]);
            body.extend_from_slice(instead.as_bytes());
            copied = span.end;
        }
        body.extend_from_slice(&self.text.as_bytes()[copied..]);
        let (shown, masked) = self.judge.finish();
        Masked { body, shown, masked, gaps: self.gaps }
    }
}

/// What is written at a place instead of a value.
fn written(place: &Place, masked: &str) -> String {
    match place.what {
        What::Text => masked.to_owned(),
        What::Unquoted => format!("\"{masked}\""),
        What::Hidden => String::new(),
        What::Options => format!(r#"<option value="{masked}" selected>{masked}</option>"#),
    }
}
