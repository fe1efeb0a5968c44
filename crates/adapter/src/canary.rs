//! How an app is asked to take in a decoy customer: `[canaries]`.

use http::Method;
use model::CustomerId;
use serde_json::Value;
use url::form_urlencoded;

use crate::schema::{At, CanaryDraft, Problems, did_you_mean};

const PLACES: &[&str] = &["name", "email", "phone", "address", "login"];

/// The request with which an app takes in a customer who does not exist.
#[derive(Debug, Clone)]
pub struct CanaryRequest {
    method: Method,
    path: String,
    body: Body,
    /// A JSON pointer to the new customer's id in the answer.
    customer: String,
}

#[derive(Debug, Clone)]
enum Body {
    Json(Vec<(String, String)>),
    Form(Vec<(String, String)>),
}

/// A decoy, as the app is told of it. Does not print: it is to look like a person.
#[derive(Clone, PartialEq, Eq)]
pub struct Decoy {
    /// First and last name.
    pub name: String,
    /// An address that leads to nobody but the operator.
    pub email: String,
    /// A number that leads to nobody but the operator.
    pub phone: String,
    /// A postal address.
    pub address: String,
}

impl std::fmt::Debug for Decoy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoy(..)")
    }
}

impl CanaryRequest {
    /// Its method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Its path and query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// `Content-Type` and body for a decoy.
    pub fn fill(&self, decoy: &Decoy) -> (&'static str, Vec<u8>) {
        match &self.body {
            Body::Json(fields) => {
                let object: serde_json::Map<String, Value> =
                    fields.iter().map(|(key, text)| (key.clone(), fill(text, decoy).into())).collect();
                ("application/json", Value::Object(object).to_string().into_bytes())
            }
            Body::Form(fields) => {
                let pairs = fields.iter().map(|(key, text)| (key.as_str(), fill(text, decoy)));
                let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
                ("application/x-www-form-urlencoded", body.into_bytes())
            }
        }
    }

    /// Whom the app's answer says that it took in.
    pub fn created(&self, answer: &[u8]) -> Option<CustomerId> {
        let answer: Value = serde_json::from_slice(answer).ok()?;
        match answer.pointer(&self.customer)? {
            Value::String(id) if !id.is_empty() => Some(CustomerId::new(id.as_str())),
            Value::Number(id) => Some(CustomerId::new(id.to_string())),
            _ => None,
        }
    }
}

/// Replaces `{name}` and so on, each once: what stands in a value is not looked at again.
fn fill(text: &str, decoy: &Decoy) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled += before;
        let Some((place, behind)) = after.split_once('}') else {
            return filled + "{" + after;
        };
        filled += match place {
            "name" => &decoy.name,
            "email" => &decoy.email,
            "phone" => &decoy.phone,
            "address" => &decoy.address,
            _ => decoy.email.split('@').next().unwrap_or_default(),
        };
        rest = behind;
    }
    filled + rest
}

pub(crate) fn compile(draft: &CanaryDraft, problems: &mut Problems<'_>) -> Option<CanaryRequest> {
    let before = problems.said.len();
    let method = Method::from_bytes(draft.method.value.as_bytes()).ok();
    if !matches!(method, Some(Method::POST | Method::PUT)) {
        problems.at(&draft.method.span, "a customer is created by POST or PUT");
    }
    if !draft.path.value.starts_with('/') {
        problems.at(&draft.path.span, "a path begins with /");
    }
    let keys = draft.customer.value.strip_prefix("$.").filter(|keys| {
        !keys.is_empty() && keys.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
    });
    if keys.is_none() {
        problems.at(&draft.customer.span, "where the answer says the new customer's id, like \"$.id\"");
    }
    for (_, value) in draft.json.iter().chain(&draft.form) {
        check_places(value, problems);
    }
    let fields = |fields: &[(String, At<String>)]| {
        fields.iter().map(|(key, value)| (key.clone(), value.value.clone())).collect::<Vec<_>>()
    };
    let body = match (draft.json.is_empty(), draft.form.is_empty()) {
        (false, true) => Body::Json(fields(&draft.json)),
        (true, false) => Body::Form(fields(&draft.form)),
        _ => {
            problems.at(&draft.path.span, "[canaries] says the fields in either `json` or `form`");
            return None;
        }
    };
    if problems.said.len() > before {
        return None;
    }
    let customer = format!("/{}", keys?.replace('.', "/"));
    Some(CanaryRequest { method: method?, path: draft.path.value.clone(), body, customer })
}

fn check_places(value: &At<String>, problems: &mut Problems<'_>) {
    for part in value.value.split('{').skip(1) {
        let place = part.split('}').next().unwrap_or_default();
        if !PLACES.contains(&place) {
            problems.at(&value.span, format!("there is no {{{place}}}{}", did_you_mean(place, PLACES)));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Adapter;

    const ADAPTER: &str = "[app]\nname = \"a\"\n[canaries]\nmethod = \"POST\"\npath = \"/api/customers\"\n\
                           json = { name = \"{name}\", mail = \"<{email}>\", tier = \"high_value\" }\n\
                           customer = \"$.data.id\"\n";

    fn decoy() -> Decoy {
        Decoy {
            name: "Ada \"{email}\" Löwe".into(),
            email: "ada.loewe@mail.example".into(),
            phone: "+1 555 0100".into(),
            address: "1 Elm St".into(),
        }
    }

    fn request(text: &str) -> CanaryRequest {
        Adapter::parse("a.toml", text).unwrap().canaries().unwrap().clone()
    }

    #[test]
    fn a_decoy_is_written_as_the_adapter_says_and_its_values_are_values_only() {
        let (kind, body) = request(ADAPTER).fill(&decoy());
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(kind, "application/json");
        assert_eq!(
            body,
            serde_json::json!({
                "name": "Ada \"{email}\" Löwe", "mail": "<ada.loewe@mail.example>", "tier": "high_value",
            })
        );
        let form = request(&ADAPTER.replace("json =", "form =").replace("high_value", "{login}"));
        let (kind, body) = form.fill(&decoy());
        assert_eq!(kind, "application/x-www-form-urlencoded");
        let text = String::from_utf8(body).unwrap();
        assert!(
            text.contains("tier=ada.loewe") && text.contains("Ada+%22%7Bemail%7D%22+L%C3%B6we"),
            "{text}"
        );
    }

    #[test]
    fn the_answer_names_the_customer_or_nobody() {
        let request = request(ADAPTER);
        assert_eq!(request.created(br#"{"data":{"id":"c-7"}}"#), Some(CustomerId::new("c-7")));
        assert_eq!(request.created(br#"{"data":{"id":7}}"#), Some(CustomerId::new("7")));
        for answer in ["", "{}", "[1]", r#"{"data":{"id":""}}"#, r#"{"data":{"id":null}}"#] {
            assert_eq!(request.created(answer.as_bytes()), None, "{answer}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_table_is_said_by_line() {
        for (from, to, says) in [
            ("POST", "GET", "a.toml:4: "),
            ("\"/api", "\"api", "a.toml:5: "),
            ("{email}", "{emial}", "did you mean \"email\""),
            ("$.data.id", "data", "a.toml:7: "),
            ("json", "jsno", "did you mean \"json\""),
        ] {
            let error = Adapter::parse("a.toml", &ADAPTER.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        assert!(Adapter::parse("a.toml", "[app]\nname = \"a\"\n").unwrap().canaries().is_none());
    }
}
