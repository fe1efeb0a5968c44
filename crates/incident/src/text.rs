//! Answers as text for a terminal of a given width, without colours.

mod table;

use model::entry::Erased;
use model::{Event, Evidence, Timestamp};
use views::{
    ByEvidence, FirstLook, GroupRow, Happening, How, Paged, Reach, Reached, SessionRow, Span, StaffRow,
    Totals, Whose,
};

use crate::{Answer, Blast, CustomerTimeline, StaffTimeline};
use table::Table;

/// The first-look report.
pub fn first_look(answer: &Answer<FirstLook>, width: usize) -> String {
    let report = &answer.answer;
    let mut out = Report::new(width, "First look: who looks at whom, and why");
    out.line(&span(report.span));
    out.line(&totals(&report.totals));
    let (observed, all) = (report.observed, report.totals.looks.total());
    out.line(&format!("{observed} of {all} looks were made in observe, {} in enforce.", all - observed));

    out.heading("Looks that nothing explains");
    out.table(&unexplained(&report.unexplained), "Every look is explained by evidence of class A to E.");
    out.heading("By staff member");
    out.table(&staff(&report.by_staff), "Nobody made an unexplained look.");
    out.heading("By team");
    out.table(&groups("team", &report.by_team), "There are no looks yet.");
    out.heading("By employer");
    out.table(&groups("employer", &report.by_employer), "There are no looks yet.");

    out.heading("What enforcement would have masked");
    let mut masked = Table::new(["field class", ">looks", ">lists"]);
    for count in &report.masked {
        masked.row([count.class.to_string(), count.looks.to_string(), count.lists.to_string()]);
    }
    out.table(&masked, "Nothing.");
    out.heading("What enforcement would have stopped, and what was refused");
    let mut stopped = Table::new(["reason", ">looks (would)", ">lists (would)", ">refused"]);
    for count in &report.stopped {
        stopped.row([
            count.why.to_string(),
            count.would_looks.to_string(),
            count.would_lists.to_string(),
            count.refused.to_string(),
        ]);
    }
    out.table(&stopped, "Nothing.");
    out.asked(answer)
}

/// Who saw a customer.
pub fn who_saw(answer: &Answer<CustomerTimeline>, width: usize) -> String {
    let timeline = &answer.answer;
    let summary = &timeline.summary;
    let mut out = Report::new(width, "Who saw this customer");
    out.line(&span(timeline.span));
    out.line(&format!(
        "{} by {}, {} of them unexplained; {} in lists; {} refused; {} about them.",
        count(summary.looks, "look"),
        count(summary.staff, "staff member"),
        summary.weak,
        count(summary.listed, "time"),
        count(summary.refused, "request"),
        count(summary.questions, "question"),
    ));
    let mut table = Table::new(["time", "staff", "team", "app", "how", "ticket", "entry", "*classes"]);
    for row in &timeline.exposures.rows {
        let (how, ticket) = match &row.how {
            How::Look { evidence, ticket, .. } => (format!("{} {evidence}", row.action), ticket.as_ref()),
            How::Listing => (row.action.to_string(), None),
        };
        table.row([
            time(row.time),
            row.staff.to_string(),
            row.post.as_ref().map_or_else(unknown, |post| post.team.clone()),
            row.app.to_string(),
            how,
            ticket.map_or_else(unknown, ToString::to_string),
            row.index.to_string(),
            row.classes.to_string(),
        ]);
    }
    out.heading("Exposures, the newest first");
    out.table(&table, "Nobody saw them in this span.");
    out.more(&timeline.exposures);
    out.asked(answer)
}

/// A blast radius.
pub fn blast_radius(answer: &Answer<Blast>, width: usize) -> String {
    let Blast { radius, percent_seen, known_customers } = &answer.answer;
    let whose = match &radius.whose {
        Whose::Staff(staff) => format!("Blast radius of {staff}"),
        Whose::Session(session) => format!("Blast radius of session {session}"),
    };
    let mut out = Report::new(width, &whose);
    out.line(&span(radius.span));
    out.line(&reach(&radius.reach));
    if let (Some(percent), Some(known)) = (percent_seen, known_customers) {
        out.line(&format!("Customers seen are {percent:.3} % of {known}."));
    }
    out.heading("Customers seen, by first look");
    out.table(&reached(&radius.seen), "None.");
    out.heading("Customers in lists, by first listing");
    out.table(&reached(&radius.listed), "None.");
    if !radius.erased.is_empty() {
        out.heading("Looks at customers who were erased since");
        out.line(&format!("Entries {}.", numbers(&radius.erased)));
    }
    out.asked(answer)
}

/// What a staff member did and what was done about them.
pub fn staff_timeline(answer: &Answer<StaffTimeline>, width: usize) -> String {
    let timeline = &answer.answer;
    let Some(summary) = &timeline.summary else {
        let mut out = Report::new(width, "Nobody of that name is in the ledger");
        out.line("Names in the ledger are pseudonyms; the staff directory says who is who.");
        return out.asked(answer);
    };
    let mut out = Report::new(width, &format!("What {} did", summary.row.staff));
    out.line(&span(timeline.span));
    out.table(&staff(std::slice::from_ref(&summary.row)), "");
    out.line(&by_evidence(&summary.by_evidence));
    out.heading("The newest first");
    let mut table = Table::new(["time", "what", "customer", "entry", "*more"]);
    for row in &timeline.happenings.rows {
        let customer = match &row.customer {
            Some(customer) => customer.customer.to_string(),
            None if row.is_of_erased() => "(erased)".to_owned(),
            None => unknown(),
        };
        table.row([
            time(row.time),
            row.event.kind().to_owned(),
            customer,
            row.index.to_string(),
            more(&row.event),
        ]);
    }
    out.table(&table, "Nothing in this span.");
    out.more(&timeline.happenings);
    out.asked(answer)
}

/// Sessions.
pub fn sessions(answer: &Answer<Paged<SessionRow>>, width: usize) -> String {
    let mut out = Report::new(width, "Sessions, the newest first");
    let mut table = Table::new([
        "opened",
        "session",
        "staff",
        "door",
        "state",
        ">looks",
        ">weak",
        ">refused",
        "last seen",
    ]);
    for row in &answer.answer.rows {
        let state = match row.ended {
            None if row.open => "open".to_owned(),
            None => "expired".to_owned(),
            Some(ended) => ended.how.to_string(),
        };
        table.row([
            time(row.opened),
            row.session.to_string(),
            row.staff.to_string(),
            row.door.to_string(),
            state,
            row.looks.to_string(),
            row.weak.to_string(),
            row.refused.to_string(),
            time(row.last_seen),
        ]);
    }
    out.table(&table, "None.");
    out.more(&answer.answer);
    out.asked(answer)
}

fn unexplained(looks: &[Happening]) -> Table<6> {
    let mut table = Table::new(["time", "staff", "customer", "evidence", "entry", "*classes"]);
    for look in looks {
        let Event::Revealed(reveal) = &look.event else { continue };
        let customer = look.customer.as_ref().map_or_else(|| "(erased)".into(), |c| c.customer.to_string());
        table.row([
            time(look.time),
            reveal.by.staff.to_string(),
            if reveal.tier.is_high_value() { format!("{customer} ({})", reveal.tier) } else { customer },
            reveal.evidence.to_string(),
            look.index.to_string(),
            reveal.classes.to_string(),
        ]);
    }
    table
}

fn staff(staff: &[StaffRow]) -> Table<7> {
    let mut table = Table::new(["staff", "team", ">looks", ">weak", ">customers", ">refused", "last seen"]);
    for row in staff {
        table.row([
            row.staff.to_string(),
            row.post.as_ref().map_or_else(unknown, |post| post.team.clone()),
            row.looks.to_string(),
            row.weak.to_string(),
            row.customers.to_string(),
            row.refused.to_string(),
            row.last_seen.map_or_else(unknown, time),
        ]);
    }
    table
}

fn groups(what: &'static str, groups: &[GroupRow]) -> Table<6> {
    let mut table = Table::new([what, ">staff", ">looks", ">weak", ">explained", ">customers"]);
    for row in groups {
        table.row([
            row.name.clone().unwrap_or_else(|| "(no record)".into()),
            row.staff.to_string(),
            row.looks.total().to_string(),
            row.looks.weak().to_string(),
            share(&row.looks),
            row.customers.to_string(),
        ]);
    }
    table
}

fn reached(customers: &[Reached]) -> Table<6> {
    let mut table = Table::new(["first", "last", "customer", ">times", "entries", "*classes"]);
    for row in customers {
        table.row([
            time(row.first),
            time(row.last),
            row.customer.customer.to_string(),
            row.entries.len().to_string(),
            numbers(&row.entries),
            row.classes.to_string(),
        ]);
    }
    table
}

fn totals(totals: &Totals) -> String {
    format!(
        "{} at {} by {}; {} explained. {} in lists, {}, {}, {}.{}",
        count(totals.looks.total(), "look"),
        count(totals.customers, "customer"),
        count(totals.staff, "staff member"),
        share(&totals.looks),
        count(totals.listed, "row"),
        count(totals.refused, "refusal"),
        count(totals.revoked, "revocation"),
        count(totals.sessions, "session"),
        erased(totals.looks_at_erased),
    )
}

fn reach(reach: &Reach) -> String {
    let times = match (reach.first, reach.last) {
        (Some(first), Some(last)) => format!(" From {} to {}.", time(first), time(last)),
        _ => String::new(),
    };
    format!(
        "{} at {}, {} of them unexplained; {} in lists, {} seen only there.{}{times}",
        count(reach.looks, "look"),
        count(reach.customers, "customer"),
        reach.weak,
        count(reach.listed, "row"),
        count(reach.only_listed, "customer"),
        erased(reach.looks_at_erased),
    )
}

fn by_evidence(looks: &ByEvidence) -> String {
    let classes = Evidence::ALL.iter().map(|evidence| format!("{evidence} {}", looks.of(*evidence)));
    format!("Looks by evidence class: {}.", classes.collect::<Vec<_>>().join(", "))
}

/// What a timeline says of an entry besides its kind.
fn more(event: &Event) -> String {
    match event {
        Event::Revealed(e) => format!("{}: {}", e.evidence, e.classes),
        Event::Listed(e) => format!("{}: {}", e.action, count(e.rows.into(), "row")),
        Event::GrantIssued(e) => format!("{}: {}", e.evidence, e.purpose),
        Event::Refused(e) => e.why.to_string(),
        Event::Revoked(e) => e.reason.to_string(),
        Event::SessionOpened(e) => e.door.to_string(),
        Event::SessionClosed(e) => e.why.to_string(),
        Event::Questioned(e) => e.question.to_string(),
        Event::Proposed(e) => e.act.kind().to_owned(),
        Event::Decided(e) => e.decision.to_string(),
        Event::Erased(Erased::Customer { .. }) => "a customer".to_owned(),
        Event::Erased(Erased::Before { month }) => format!("before {month}"),
        Event::IncidentOpened(e) => e.what.to_string(),
        Event::MarkIssued(e) => e.mark.to_string(),
        Event::MarkFault(e) => e.what.to_string(),
        Event::MarkSound(e) => e.by.session.to_string(),
        Event::Finding(e) => format!("{}: {}", e.detector, e.level),
        Event::Contained(e) => e.level.to_string(),
        Event::Lifted(e) => e.reason.to_string(),
        Event::Triaged(e) => e.verdict.to_string(),
        Event::WatchInForce(e) => e.mode.to_string(),
        Event::Reauthenticated(_) => String::new(),
        Event::RuleMatched(e) => format!("rule {}, {}", e.rule, e.level),
        Event::CanariesPlanted(e) => format!("{} canaries {} in {}", e.count, e.what, e.app),
        Event::StaffRecorded(e) => format!("{}, {}, {}", e.record.role, e.record.team, e.record.status),
        Event::Started(_) | Event::SettingsInForce(_) | Event::PolicyInForce(_) | Event::Written(_) => {
            String::new()
        }
    }
}

fn erased(looks: u64) -> String {
    match looks {
        0 => String::new(),
        n => format!(" {} at customers who were erased since.", count(n, "look")),
    }
}

fn share(looks: &ByEvidence) -> String {
    looks.explained().map_or_else(unknown, |share| format!("{:.1} %", 100.0 * share))
}

fn span(span: Span) -> String {
    match (span.from, span.to) {
        (None, None) => "Since the ledger began.".into(),
        (Some(from), None) => format!("From {} on.", time(from)),
        (None, Some(to)) => format!("Until {}.", time(to)),
        (Some(from), Some(to)) => format!("From {} until {}.", time(from), time(to)),
    }
}

fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// RFC 3339 to the second: entries have the exact time.
fn time(time: Timestamp) -> String {
    let exact = time.to_string();
    exact.split_once('.').map_or(exact.clone(), |(seconds, _)| format!("{seconds}Z"))
}

/// The first numbers of a list, and how many more there are.
fn numbers(numbers: &[u64]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<_> = numbers.iter().take(SHOWN).map(u64::to_string).collect();
    match numbers.len().saturating_sub(SHOWN) {
        0 => shown.join(" "),
        more => format!("{} +{more}", shown.join(" ")),
    }
}

fn unknown() -> String {
    "-".into()
}

/// A page of text.
struct Report {
    out: String,
    width: usize,
}

impl Report {
    fn new(width: usize, title: &str) -> Self {
        let mut report = Self { out: String::new(), width: width.max(20) };
        report.line(title);
        report
    }

    fn line(&mut self, text: &str) {
        table::wrap(text, self.width, &mut self.out);
    }

    fn heading(&mut self, text: &str) {
        self.out.push('\n');
        self.line(text);
    }

    fn table<const N: usize>(&mut self, table: &Table<N>, or: &str) {
        if table.is_empty() { self.line(or) } else { table.write(self.width, &mut self.out) }
    }

    fn more<T>(&mut self, page: &Paged<T>) {
        if page.next.is_some() {
            self.line("There are more.");
        }
    }

    fn asked<T>(mut self, answer: &Answer<T>) -> String {
        self.out.push('\n');
        self.line(&format!(
            "Asked at {}, recorded as entry {}; rests on the first {} entries.",
            time(answer.at),
            answer.asked_as,
            answer.as_of
        ));
        self.out
    }
}
