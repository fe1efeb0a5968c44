//! The page of a bundle that somebody reads who has never heard of Sightline. It stands alone: no script, no
//! picture, nothing from elsewhere.

use std::fmt::Write as _;

use views::{Reached, Whose};

use super::Exported;
use crate::{Answer, Blast};

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.55 system-ui,sans-serif;max-width:52rem;margin:2.5rem auto;padding:0 1.25rem}\
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .25rem}h2{font-size:1.15rem;margin:2rem 0 .5rem}\
.sub{opacity:.75;margin:0 0 1.5rem}code,pre{font:.86em/1.5 ui-monospace,monospace}\
pre{padding:.75rem 1rem;border:1px solid #8886;border-radius:6px;overflow-x:auto}\
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}\
th,td{text-align:left;vertical-align:top;padding:.35rem .9rem .35rem 0;border-bottom:1px solid #8884}\
th{font-weight:600}td.n{font-variant-numeric:tabular-nums}.key{overflow-wrap:anywhere}\
@media print{body{margin:0;max-width:none}pre{white-space:pre-wrap}tr{break-inside:avoid}}";

/// The page.
pub(super) fn readme(answer: &Answer<Blast>, exported: Exported, has_policy: bool) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = tell(&mut page, answer, exported, has_policy);
    page
}

fn tell(page: &mut String, answer: &Answer<Blast>, exported: Exported, has_policy: bool) -> std::fmt::Result {
    let radius = &answer.answer.radius;
    let (who, whose) = match &radius.whose {
        Whose::Staff(staff) => (escape(staff.as_str()), "this staff member"),
        Whose::Session(session) => (session.to_string(), "this session"),
    };
    let span = |time: Option<model::Timestamp>, open: &str| time.map_or(open.to_owned(), |t| t.to_string());
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>Evidence: blast radius of {who}</title>\n<style>{STYLE}</style>\n\
         <h1>Blast radius of {who}</h1>\n\
         <p class=\"sub\">Evidence from the log <code>{log}</code>, made {at}. From {from} to {to}.</p>\n",
        log = escape(answer.log.split('+').next().unwrap_or_default()),
        at = answer.at,
        from = span(radius.span.from, "the beginning of the log"),
        to = span(radius.span.to, "the moment of the question"),
    )?;
    write!(
        page,
        "<p>This directory answers one question: <strong>which customers&rsquo; records could {whose} have seen, or \
         shown to somebody?</strong> It was asked on record, as entry {asked} of the log, and the answer rests on the \
         first {as_of} entries. Names of staff are pseudonyms; the employer&rsquo;s directory says who they are.</p>\n\
         <h2>What was found</h2>\n<p>{looks} looks at {customers} customers; {weak} of the looks without a reason that \
         somebody else vouches for; {listed} rows in lists, with {only} customers who were seen only there.{erased}</p>\n",
        asked = answer.asked_as,
        as_of = answer.as_of,
        looks = radius.reach.looks,
        customers = radius.reach.customers,
        weak = radius.reach.weak,
        listed = radius.reach.listed,
        only = radius.reach.only_listed,
        erased = match radius.erased.len() {
            0 => String::new(),
            n => format!(
                " {n} looks were at customers who have been erased since: that they happened can be proved, whom \
                 they were at is no longer known."
            ),
        },
    )?;
    table(page, "Customers whose records were opened", &radius.seen)?;
    table(page, "Customers who were rows in a list or a search", &radius.listed)?;
    page.push_str(
        "<h2>What this proves, and what it does not</h2>\n<ul>\n\
         <li>Each entry listed here is in the log, at its number, unchanged since it was recorded: the log signed it, \
         and its receipt in <code>receipts/</code> shows the way to that signature.</li>\n\
         <li>A record was opened only after its entry was in the log: the gateway holds an answer back until then.</li>\n\
         <li>&ldquo;Classes&rdquo; are kinds of fields that the answer could show, never their contents. Whether \
         somebody read, noted or photographed them, no log can say.</li>\n\
         <li>A look is no accusation. Most looks are somebody&rsquo;s work; the evidence class says how each was \
         explained, from A (a ticket that the customer opened and a router assigned) to G (nothing explains it).</li>\n\
         <li>It does not show looks around the gateway, and not who sat at the screen.</li>\n\
         <li>That nothing was left out here, and that there is only one log, show only a check of the whole log and \
         the signatures of independent witnesses.</li>\n</ul>\n",
    );
    write!(
        page,
        "<h2>How to check it</h2>\n<p>Get the log&rsquo;s verification key by another way than this directory, and \
         compare it with</p>\n<pre class=\"key\">{log}</pre>\n<p>Then, with Sightline or with nothing but Python and its \
         package <code>cryptography</code>:</p>\n<pre>sightline verify --vkey KEY{policy} THIS-DIRECTORY\n\
         python3 verify.py --vkey KEY{policy} THIS-DIRECTORY</pre>\n<p>Either says in numbers what it checked: every \
         file against the signed <code>manifest</code>, every receipt against the checkpoint, and that each look had an \
         open session and a grant. Any tool for C2SP transparency logs checks the receipts \
         (<code>c2sp.org/tlog-proof@v1</code>), and <code>sha256sum</code> the files. The log&rsquo;s operator publishes \
         the whole log; docs/verify.md of Sightline says how to check that.</p>\n",
        log = escape(&answer.log),
        policy = if has_policy { " --policy POLICY" } else { "" },
    )?;
    write!(
        page,
        "<h2>What is in this directory</h2>\n<div class=\"wide\"><table>\n\
         <tr><td><code>blast-radius.txt</code>, <code>.csv</code>, <code>.json</code><td>the answer: to read, for a \
         spreadsheet, for a program\n\
         <tr><td><code>receipts/</code><td>{named} receipts of the question and of every entry that the answer names, \
         and {context} of what these rest on: staff records, sessions, grants, revocations, settings and policies in \
         force\n\
         <tr><td><code>entries.jsonl</code><td>the same entries, to read\n\
         <tr><td><code>checkpoint</code>, <code>log.vkey</code>{policy}<td>the signed state of the log that all receipts \
         lead to, and the key it verifies with{which}\n\
         <tr><td><code>manifest</code><td>the SHA-256 digest of every file, signed with the log&rsquo;s key\n\
         </table></div>\n<p><strong>This directory names customers. Keep it as you would keep their records.</strong></p>\n",
        named = exported.named,
        context = exported.context,
        policy = if has_policy { ", <code>trust-policy</code>" } else { "" },
        which = if has_policy { "; which witnesses must have cosigned it" } else { "" },
    )
}

fn table(page: &mut String, heading: &str, customers: &[Reached]) -> std::fmt::Result {
    writeln!(page, "<h2>{heading}</h2>")?;
    if customers.is_empty() {
        return writeln!(page, "<p>None.</p>");
    }
    page.push_str(
        "<div class=\"wide\"><table>\n<tr><th>Customer<th>Classes<th>First<th>Last<th>Weakest evidence<th>Entries\n",
    );
    for Reached { customer, classes, first, last, weakest, entries } in customers {
        let entries: Vec<_> = entries.iter().map(u64::to_string).collect();
        writeln!(
            page,
            "<tr><td>{}<td>{}<td class=\"n\">{first}<td class=\"n\">{last}<td>{}<td class=\"n\">{}",
            escape(customer.customer.as_str()),
            classes,
            weakest.map(|evidence| evidence.to_string()).unwrap_or_default(),
            entries.join(" ")
        )?;
    }
    page.push_str("</table></div>\n");
    Ok(())
}

/// For text between tags.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
