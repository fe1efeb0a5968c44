//! The page that says where a leak comes from, with its evidence. One file that stands alone: no script, nothing from
//! elsewhere, pictures inside.

use std::fmt::{self, Write as _};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::Timestamp;
use sha2::{Digest, Sha256};
use trace::together::{Conclusion, Ground};
use trace::{Answer, Grey, Surface, Verdict};

use super::Covers;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.55 system-ui,sans-serif;max-width:56rem;margin:2.5rem auto;padding:0 1.25rem}\
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .25rem}h2{font-size:1.15rem;margin:2.25rem 0 .5rem}\
.sub{opacity:.75;margin:0 0 1.5rem}code,pre{font:.86em/1.5 ui-monospace,monospace}\
pre{padding:.75rem 1rem;border:1px solid #8886;border-radius:6px;overflow-x:auto}\
.answer{font-size:1.15rem;line-height:1.45;padding:1rem 1.25rem;border:1px solid #8886;border-left:6px solid #888;\
border-radius:6px;margin:1rem 0}.answer.named{border-left-color:#b45309}.answer.torn{border-left-color:#b91c1c}\
.answer p{margin:0 0 .5rem}.answer p:last-child{margin:0}\
figure{margin:1rem 0}figure img,figure svg{max-width:100%;height:auto;border:1px solid #8886;border-radius:6px;display:block}\
figure img.map{width:24rem;image-rendering:pixelated}figcaption{font-size:.9rem;opacity:.8;margin-top:.4rem}\
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}\
th,td{text-align:left;vertical-align:top;padding:.35rem .9rem .35rem 0;border-bottom:1px solid #8884}\
th{font-weight:600}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\
svg .bar{fill:#2563eb}svg .found{stroke:#b45309}svg text{fill:currentColor;font:12px system-ui,sans-serif}svg .axis{stroke:#8888}\
@media(prefers-color-scheme:dark){svg .bar{fill:#60a5fa}svg .found{stroke:#f59e0b}}\
@media print{body{margin:0;max-width:none}pre{white-space:pre-wrap}figure,tr{break-inside:avoid}}";

/// Pictures that were made on the way.
#[derive(Debug, Default)]
pub struct Evidence {
    /// The best frame, with the page straight on, and the frame's name.
    pub page: Option<(String, Grey)>,
    /// How well the best mark fits at every shift of the tile.
    pub surface: Option<Surface>,
}

/// What the page tells.
#[derive(Debug)]
pub struct Report<'a> {
    /// The leak, as it was named.
    pub leak: &'a str,
    /// When this was made.
    pub at: Timestamp,
    /// The time window that was searched.
    pub span: views::Span,
    /// Where issued marks and looks come from, in words.
    pub source: &'a str,
    /// What may be said.
    pub conclusion: &'a Conclusion,
    /// What the mark says, where pictures were searched.
    pub mark: Option<&'a Answer>,
    /// What the record set says, where there is one.
    pub records: Option<&'a Covers>,
    /// The pictures.
    pub evidence: &'a Evidence,
    /// What could not be read.
    pub skipped: &'a [String],
    /// Ended before everything was looked at.
    pub interrupted: bool,
    /// The command lines that lead on, if somebody is named.
    pub next: &'a [String],
}

/// The page.
pub fn html(report: &Report<'_>) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = tell(&mut page, report);
    page
}

fn tell(page: &mut String, r: &Report<'_>) -> fmt::Result {
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src \
         'sha256-{style}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>Trace of {leak}</title>\n<style>{STYLE}</style>\n<h1>Trace of {leak}</h1>\n\
         <p class=\"sub\">Made {at}. Searched: {source}, {span}.</p>\n",
        leak = escape(r.leak),
        at = r.at,
        source = escape(r.source),
        span = span(r.span),
    )?;
    answer(page, r)?;
    if r.interrupted {
        page.push_str(
            "<p><strong>The search was ended before everything was looked at.</strong> This is the answer to what was \
             seen until then.</p>\n",
        );
    }
    if !r.next.is_empty() {
        let lines: Vec<String> = r.next.iter().map(|n| escape(n)).collect();
        write!(
            page,
            "<h2>The next step</h2>\n<p>Whom this session, and this person, could have shown to somebody: the customers \
             who may have to be told. Asking is recorded.</p>\n<pre>{}</pre>\n",
            lines.join("\n")
        )?;
    }
    if let Some(mark) = r.mark {
        evidence_of_mark(page, mark, r.evidence)?;
    }
    if let Some(records) = r.records {
        evidence_of_records(page, records, r.conclusion)?;
    }
    limits(page, r)
}

/// The answer in one sentence, and what the number means.
fn answer(page: &mut String, r: &Report<'_>) -> fmt::Result {
    let c = r.conclusion;
    let (class, said) = match c.ground {
        Ground::None if r.mark.is_some_and(|m| m.verdict == Verdict::Consistent) => {
            ("", "Consistent with an issued mark, not proof of one. Nobody is named.".to_owned())
        }
        Ground::None => {
            ("", "Inconclusive: nothing stands out from what chance gives. Nobody is named.".into())
        }
        Ground::Contradiction => (
            "torn",
            "The mark and the record set lead to different people. Nobody is named until that is explained."
                .into(),
        ),
        Ground::Mark | Ground::Both | Ground::Records | Ground::Combination => ("named", named(r)),
    };
    write!(page, "<div class=\"answer {class}\"><p><strong>{said}</strong></p>")?;
    if c.names_somebody() {
        write!(
            page,
            "<p>That somebody with nothing to do with this leak would be named by chance: at most {}, everybody and \
             everything that was tried counted in. The bar for a name is 1 in 10<sup>9</sup>.</p>",
            odds(c.log10_wrong)
        )?;
    } else if let Some(mark) = r.mark.filter(|m| m.verdict == Verdict::Consistent) {
        write!(
            page,
            "<p>Chance alone gives such a score in up to {} of searches like this one, and the bar for a name is 1 in \
             10<sup>9</sup>. More or better frames may decide it.</p>",
            odds(mark.log10_wrong)
        )?;
    }
    page.push_str("</div>\n");
    Ok(())
}

fn named(r: &Report<'_>) -> String {
    let c = r.conclusion;
    let who: Vec<String> = c.staff.iter().map(|s| format!("<code>{}</code>", escape(s.as_str()))).collect();
    let who = if who.is_empty() { "a person whom the list does not name".into() } else { who.join(" with ") };
    let issued = r.mark.and_then(|m| m.named.as_ref()).filter(|_| c.mark_named);
    let shown = issued.map(|i| {
        let session = i.session.map(|s| format!(", session <code>{s}</code>")).unwrap_or_default();
        let from = i.from.map(|t| format!(", in the five minutes from {t}")).unwrap_or_default();
        format!("The leak shows pages that were shown to {who}{session}{from}.")
    });
    match (c.ground, shown) {
        (Ground::Both, Some(shown)) => {
            format!("{shown} The customers in it are those that {who} looked at, too.")
        }
        (_, Some(shown)) => shown,
        (Ground::Records, None) => {
            format!("The customers in the leak are those that {who} looked at, far beyond chance.")
        }
        (_, None) => {
            format!("Mark and customers together point to {who}; neither would be enough by itself.")
        }
    }
}

fn evidence_of_mark(page: &mut String, mark: &Answer, evidence: &Evidence) -> fmt::Result {
    write!(
        page,
        "<h2>The mark in the pictures</h2>\n<p>{frames} frames were looked at; in {locked} of them stand the pilots, the part \
         of the pattern that is the same in every mark and says how the page lies in the frame. {candidates} issued marks \
         were compared with {readings} readings: each frame by itself where there are few, and sums over stretches of \
         them. The best score is <strong>z&nbsp;=&nbsp;{z:.1}</strong>; the best of all other marks in the same reading is \
         {next:.1}.</p>\n",
        frames = mark.frames,
        locked = mark.locked,
        candidates = mark.candidates,
        readings = mark.readings,
        z = mark.z,
        next = mark.next_z,
    )?;
    if let Some((name, picture)) = &evidence.page {
        let how = mark.best_frame.as_ref().filter(|_| mark.locked > 0).map(|f| {
            let p = &f.placement;
            format!(
                " In the frame the page is turned by {:.1}°{}{}, with {:.2} pixels for each CSS pixel.",
                p.roll_degrees,
                if p.mirrored { ", mirrored" } else { "" },
                if p.inverted { ", with dark and light exchanged" } else { "" },
                p.scale
            )
        });
        writeln!(
            page,
            "<figure><img alt=\"The page as the leak shows it, seen straight on\" src=\"{}\"><figcaption>Frame {}, with the \
             page straight on.{} <strong>This picture shows what the leak shows: keep this file as you would keep the \
             leak.</strong></figcaption></figure>",
            data(&picture.at_most(1_600)),
            escape(name),
            how.unwrap_or_default(),
        )?;
    }
    if let Some(surface) = &evidence.surface {
        writeln!(
            page,
            "<figure><img class=\"map\" alt=\"Correlation surface\" src=\"{}\"><figcaption>How well the best mark fits when \
             it is shifted by up to 48 CSS pixels each way. The right mark has one bright point in the middle (here \
             {:.1}; the highest elsewhere is {:.1}); a wrong one has none.</figcaption></figure>",
            data(&surface.picture()),
            surface.middle(),
            surface.around(),
        )?;
    }
    histogram(page, mark)
}

/// Scores of all candidates in the best reading, on a logarithmic scale; the best as a line.
fn histogram(page: &mut String, mark: &Answer) -> fmt::Result {
    let most = mark.histogram.iter().copied().max().unwrap_or(0);
    if most == 0 {
        return Ok(());
    }
    let (width, height, low) = (720.0, 200.0, -6.0f32);
    let high = (mark.z + 2.0).max(10.0);
    let x = |z: f32| 10.0 + (z - low) / (high - low) * (width - 20.0);
    let tall = |n: u64| (n as f32 + 1.0).log10() / (most as f32 + 1.0).log10() * (height - 50.0);
    write!(
        page,
        "<figure><svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"Scores of all candidates\">"
    )?;
    for (i, n) in mark.histogram.iter().enumerate().filter(|(_, n)| **n > 0) {
        let from = low + i as f32 / 2.0;
        // The last bar holds everything above: that is where the best one is, and it has its own line.
        if i + 1 < mark.histogram.len() {
            let bar = tall(*n);
            write!(
                page,
                "<rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{bar:.1}\"/>",
                x(from),
                height - 24.0 - bar,
                x(from + 0.5) - x(from) - 1.0,
            )?;
        }
    }
    write!(page, "<line class=\"axis\" x1=\"10\" x2=\"{:.0}\" y1=\"176\" y2=\"176\"/>", width - 10.0)?;
    let every = if high > 24.0 { 10 } else { 4 };
    for z in (-4..=high as i32).filter(|z| z % every == 0) {
        write!(page, "<text x=\"{:.1}\" y=\"194\" text-anchor=\"middle\">{z}</text>", x(z as f32))?;
    }
    writeln!(
        page,
        "<line class=\"found\" stroke-width=\"3\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"30\" y2=\"176\"/>\
         <text x=\"{0:.1}\" y=\"22\" text-anchor=\"end\">best: z = {1:.1}</text></svg><figcaption>The scores of all {2} \
         marks in that reading (heights on a logarithmic scale). Marks that are not in the picture score as coin flips \
         do: around 0, hardly ever beyond 5.</figcaption></figure>",
        x(mark.z),
        mark.z,
        mark.candidates
    )
}

fn evidence_of_records(page: &mut String, records: &Covers, c: &Conclusion) -> fmt::Result {
    let ranking = &records.staff;
    writeln!(
        page,
        "<h2>The customers in the leak</h2>\n<p>{customers} customers of the leak were shown to somebody ({corrected} ids put \
         right, {ambiguous} that fit several customers and {unknown} that fit none left out). In all, {population} \
         customers were shown to {candidates} staff members.</p>",
        customers = ranking.customers,
        corrected = records.corrected,
        ambiguous = records.ambiguous.len(),
        unknown = records.unknown.len(),
        population = ranking.population,
        candidates = ranking.candidates,
    )?;
    if ranking.customers == 0 {
        return Ok(());
    }
    page.push_str(
        "<div class=\"wide\"><table><tr><th>who<th class=\"n\">customers of the leak<th class=\"n\">customers in all\
         <th class=\"n\">by chance, at most\n",
    );
    for row in ranking.single.iter().take(5).chain(ranking.groups.iter().take(2)) {
        let known = row.who.iter().all(|w| c.staff.contains(w));
        let who: Vec<String> =
            row.who.iter().map(|w| format!("<code>{}</code>", escape(w.as_str()))).collect();
        let other = if row.who.len() == 1 { "somebody else" } else { "a group" };
        writeln!(
            page,
            "<tr><td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}",
            if known { who.join(" with ") } else { other.to_owned() },
            row.covered,
            row.seen,
            odds(row.log10_wrong),
        )?;
    }
    page.push_str(
        "</table></div>\n<p>Each row: how many customers of the leak this person was shown, and how likely an innocent one \
         is to reach that in this order, times everybody. It rests on the assumption that an innocent one&rsquo;s customers \
         are a draw from everybody&rsquo;s; people who work one queue share customers, so nobody is named by it who is not \
         also a million times ahead of everybody else. Below that, nobody is named here.</p>\n",
    );
    Ok(())
}

fn limits(page: &mut String, r: &Report<'_>) -> fmt::Result {
    page.push_str("<h2>What this proves, and what it does not</h2>\n<ul>\n");
    if let Some(mark) = r.mark {
        writeln!(
            page,
            "<li>The number is a bound, not an estimate: for a mark that is not in the picture the score is a weighted sum of \
             coin flips, and Hoeffding&rsquo;s inequality bounds it by exp(&minus;z&sup2;/2), whatever page, camera and noise \
             are. It is multiplied by all {} &times; {} comparisons{}. It rests on the marks&rsquo; signs being \
             unpredictable to whoever lacks the key.</li>",
            mark.candidates,
            mark.readings.max(1),
            if r.records.is_some() { " and by the three ways in which somebody can be named" } else { "" },
        )?;
        page.push_str(
            "<li>Whoever has the key of the marks can forge one. It is kept like a signing key.</li>\n",
        );
    }
    page.push_str(
        "<li>It says whose page was shown, in which session. It does not say who held the camera, who else could see the \
         screen, or why.</li>\n\
         <li>Staff are pseudonyms here. Who they are says the employer&rsquo;s directory, in a case that was opened.</li>\n\
         <li>A name here is a lead with a number on it. Hear the person before you decide anything.</li>\n</ul>\n",
    );
    if !r.skipped.is_empty() {
        page.push_str("<h2>What could not be read</h2>\n<ul>\n");
        for why in r.skipped.iter().take(50) {
            writeln!(page, "<li>{}</li>", escape(why))?;
        }
        page.push_str("</ul>\n");
        if r.skipped.len() > 50 {
            writeln!(page, "<p>… and {} more.</p>", r.skipped.len() - 50)?;
        }
    }
    Ok(())
}

/// `1 in 10^n`, rounded towards more likely.
fn odds(log10: f64) -> String {
    match (-log10).floor() as i64 {
        n if n <= 0 => "always".into(),
        n @ 1..=4 => format!("1 in {}", 10u64.pow(n as u32)),
        n => format!("1 in 10<sup>{n}</sup>"),
    }
}

fn span(span: views::Span) -> String {
    let from = span.from.map_or("from the beginning".to_owned(), |t| format!("from {t}"));
    let to = span.to.map_or("until now".to_owned(), |t| format!("until {t}"));
    format!("{from} {to}")
}

fn data(picture: &Grey) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(picture.png()))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odds_round_towards_more_likely() {
        assert_eq!(odds(-9.9), "1 in 10<sup>9</sup>");
        assert_eq!(
            (odds(-0.4), odds(0.0), odds(-3.2)),
            ("always".into(), "always".into(), "1 in 1000".into())
        );
    }
}
