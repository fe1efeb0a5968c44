//! Foreign logs as lines of the access log, by a mapping that is data (TOML).
//!
//! A mapping says how a file falls into records (CSV, JSON, JSON Lines, an access log of nginx), and which
//! lines each record becomes. A value is text with `{key}` in it, where the key is a column, a path into the
//! JSON (`actor.user.uid`, `changes.0.value`) or a part of a URL that a pattern names. A line whose text
//! needs a key that the record lacks is left out unless the key ends in `?`.

mod mapping;
mod records;
mod time;

pub use mapping::{LineRule, Mapping, Memory, Remember, Url};
pub use records::{Format, Record, RecordError, Records};

/// The mappings that ship, by name.
pub const SHIPPED: &[(&str, &str)] = &[
    ("nginx", include_str!("../../../mappings/nginx.toml")),
    ("ocsf", include_str!("../../../mappings/ocsf.toml")),
    ("salesforce", include_str!("../../../mappings/salesforce.toml")),
    ("zendesk", include_str!("../../../mappings/zendesk.toml")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Line;

    fn imported(name: &str, text: &str) -> Vec<String> {
        let (_, mapping) = SHIPPED.iter().find(|(shipped, _)| *shipped == name).expect("it ships");
        let mapping: Mapping = toml::from_str(mapping).unwrap();
        let mut memory = Memory::default();
        let records = Records::new(mapping.format, mapping.records.as_deref(), text.as_bytes());
        let lines: Vec<String> =
            records.flat_map(|r| mapping.lines(&r.unwrap(), &mut memory)).map(|(_, line)| line).collect();
        for line in &lines {
            Line::parse(line).unwrap_or_else(|e| panic!("{name}: {e}: {line}"));
        }
        lines
    }

    #[test]
    fn every_mapping_that_ships_is_understood() {
        for (name, text) in SHIPPED {
            let mapping: Result<Mapping, _> = toml::from_str(text);
            assert!(mapping.is_ok(), "{name}: {mapping:?}");
        }
    }

    #[test]
    fn zendesk_audits_become_ticket_events_with_the_customer_remembered() {
        let audits = concat!(
            r#"{"ticket_id":35,"created_at":"2026-03-02T09:00:00Z","author_id":900,"events":[{"type":"Create","field_name":"requester_id","value":"900"},{"type":"Create","field_name":"subject","value":"x"}]}"#,
            "\n",
            r#"{"ticket_id":35,"created_at":"2026-03-02T09:01:00Z","author_id":-1,"events":[{"type":"Change","field_name":"assignee_id","value":"17","previous_value":null}]}"#,
            "\n",
            r#"{"ticket_id":35,"created_at":"2026-03-02T09:05:00Z","author_id":17,"events":[{"type":"Comment","public":true},{"type":"Change","field_name":"status","value":"solved","previous_value":"open"}]}"#,
        );
        let lines = imported("zendesk", audits);
        let has =
            |n: usize, parts: &[&str]| assert!(parts.iter().all(|p| lines[n].contains(p)), "{}", lines[n]);
        assert_eq!(lines.len(), 4, "{lines:#?}");
        has(0, &["\"opened\"", "\"by\":\"customer\"", "\"customer\":\"900\""]);
        has(1, &["\"assigned\"", "\"by\":\"router\"", "\"to\":\"17\"", "\"customer\":\"900\""]);
        has(2, &["\"acted\"", "\"by\":\"17\""]);
        has(3, &["\"closed\"", "\"by\":\"17\""]);
    }

    #[test]
    fn salesforce_page_views_of_accounts_become_looks() {
        let csv = "EVENT_TYPE,TIMESTAMP_DERIVED,USER_ID_DERIVED,SESSION_KEY,CLIENT_IP,PAGE_ENTITY_TYPE,PAGE_ENTITY_ID\n\
                   LightningPageView,2026-03-02T09:00:00.000Z,005A,sk,10.0.0.7,Account,001B\n\
                   LightningPageView,2026-03-02T09:00:01.000Z,005A,sk,10.0.0.7,Dashboard,01ZB\n";
        let lines = imported("salesforce", csv);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains("\"customer\":\"001B\"") && lines[0].contains("\"staff\":\"005A\""));
    }

    #[test]
    fn lines_of_nginx_become_looks_and_anonymous_ones_do_not() {
        let log = concat!(
            r#"10.0.0.7 - anna [02/Mar/2026:10:00:00 +0100] "GET /customers/c-9 HTTP/1.1" 200 512 "-" "M""#,
            "\n",
            r#"10.0.0.7 - - [02/Mar/2026:10:00:01 +0100] "GET /customers/c-8 HTTP/1.1" 200 512 "-" "M""#,
            "\n",
            r#"10.0.0.7 - anna [02/Mar/2026:10:00:02 +0100] "GET /style.css HTTP/1.1" 200 512 "-" "M""#,
        );
        let lines = imported("nginx", log);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("2026-03-02T09:00:00.000Z") && lines[0].contains("\"anna\""));
    }

    #[test]
    fn ocsf_web_resources_become_a_look_each() {
        let event = r#"{"class_uid":6001,"activity_id":2,"time":1772442000000,"actor":{"user":{"uid":"s-17"},"session":{"uid":"x"}},"src_endpoint":{"ip":"10.0.0.7"},"web_resources":[{"uid":"c-9"},{"uid":"c-8"}]}"#;
        let lines = imported("ocsf", event);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[1].contains("\"c-8\"") && lines[1].contains("\"view\""));
    }
}
