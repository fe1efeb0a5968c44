//! Masked values on their way back to the app.

mod common;

use common::{DenyAll, answer, desk, open, read, seal};
use proptest::prelude::*;
use sightline_adapter::{MaskedWrite, Restored};

fn restore(kind: &str, body: &[u8]) -> Result<Restored, MaskedWrite> {
    desk().restore(kind, body, &mut open)
}

fn form(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs);
    form.finish().into_bytes()
}

const URLENCODED: &str = "application/x-www-form-urlencoded; charset=utf-8";

#[test]
fn an_edit_form_is_masked_and_comes_back_whole() {
    let page = r#"<section class="customer narrow" data-customer-id="c-1"><form method="post">
        <input name="name" value="Jane &amp; Jim"><input name=email value=jane@example.com>
        <input name="phone" value="+49 30 5550 4821"></form></section>"#;
    let masked = desk().mask(&read("edit customer"), &answer("text/html", page), &mut DenyAll).unwrap();
    let shown = String::from_utf8(masked.body).unwrap();
    assert!(!shown.contains("Jane") && !shown.contains("jane") && !shown.contains("5550"), "{shown}");
    let parsed = scraper::Html::parse_document(&shown);
    let inputs = scraper::Selector::parse("input").unwrap();
    let mut pairs: Vec<(&str, &str)> = parsed
        .select(&inputs)
        .map(|input| (input.attr("name").unwrap(), input.attr("value").unwrap()))
        .collect();
    assert_eq!(pairs.len(), 6);
    let phone = pairs.iter_mut().find(|(name, _)| *name == "phone").unwrap();
    phone.1 = "+49 30 1";
    let restored = restore(URLENCODED, &form(&pairs)).unwrap();
    assert_eq!(restored.restored, 2);
    let expected = [("name", "Jane & Jim"), ("email", "jane@example.com"), ("phone", "+49 30 1")];
    assert_eq!(restored.body, form(&expected));
}

#[test]
fn a_mask_that_was_edited_or_has_no_seal_is_refused_by_name() {
    let sealed = seal("email", "jane@example.com");
    for pairs in [
        &[("email", "j•••@•••.org"), ("sightline.sealed.email", &*sealed)][..],
        &[("email", "j•••@•••.com")],
        &[("email", "j•••@•••.com"), ("sightline.sealed.email", "forged")],
        &[("email", "j•••@•••.com"), ("sightline.sealed.name", &*sealed)],
    ] {
        assert_eq!(restore(URLENCODED, &form(pairs)).unwrap_err().field, "email");
    }
}

#[test]
fn boxes_that_look_alike_are_told_apart_by_order_or_refused() {
    let (jane, june) = (seal("to", "jane@example.com"), seal("to", "june@example.com"));
    let seals = [("sightline.sealed.to", &*jane), ("sightline.sealed.to", &*june)];
    let both = [&[("to", "j•••@•••.com"), ("to", "j•••@•••.com")][..], &seals].concat();
    let restored = restore(URLENCODED, &form(&both)).unwrap();
    assert_eq!(restored.body, form(&[("to", "jane@example.com"), ("to", "june@example.com")]));
    let one = [&[("to", "j•••@•••.com")][..], &seals].concat();
    assert_eq!(restore(URLENCODED, &form(&one)).unwrap_err().field, "to");
}

#[test]
fn a_multipart_form_comes_back_whole_and_its_files_untouched() {
    let part = |head: &str, value: &str| {
        format!("--XX\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n")
    };
    let body = [
        part("name=\"email\"", "j•••@•••.com"),
        part("name=\"sightline.sealed.email\"", &seal("email", "jane@example.com")),
        part("name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain", "••• bullets"),
        "--XX--\r\n".to_owned(),
    ]
    .concat();
    let restored = restore("multipart/form-data; boundary=\"XX\"", body.as_bytes()).unwrap();
    let expected = [
        part("name=\"email\"", "jane@example.com"),
        part("name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain", "••• bullets"),
        "--XX--\r\n".to_owned(),
    ]
    .concat();
    assert_eq!(String::from_utf8(restored.body).unwrap(), expected);
    assert!(restore("multipart/form-data; boundary=other", body.as_bytes()).is_err());
}

#[test]
fn a_mask_in_json_is_refused_by_its_place() {
    for (body, field) in [
        (r#"{"name":"J••• S•••"}"#, "$.name"),
        (r#"{"a":[1,{"b":"\u2022\u2022\u2022"}]}"#, "$.a[1].b"),
        (r#"{"name":"J•••"#, "body"),
        (r#"{"name":"\u2022\u2022\u2022"#, "body"),
    ] {
        assert_eq!(restore("application/json", body.as_bytes()).unwrap_err().field, field);
    }
}

proptest! {
    #[test]
    fn what_holds_no_mask_is_passed_on_byte_for_byte(
        body in proptest::collection::vec(any::<u8>(), 0..100),
        kind in proptest::sample::select(&["application/json", "text/plain", URLENCODED, "multipart/form-data; boundary=x"][..]),
    ) {
        prop_assume!(!String::from_utf8_lossy(&body).contains('•') && !body.contains(&b'%'));
        prop_assert_eq!(restore(kind, &body).unwrap().body, body);
    }

    #[test]
    fn any_masked_control_comes_back_as_it_was(value in "[^\r]{1,40}") {
        prop_assume!(!value.trim().is_empty());
        let escaped = value.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('\0', "");
        let page = format!("<section class=customer data-customer-id=c><input name=\"address\" value=\"{escaped}\"></section>");
        let masked = desk().mask(&read("edit customer"), &answer("text/html", &page), &mut DenyAll).unwrap();
        let shown = String::from_utf8(masked.body).unwrap();
        let parsed = scraper::Html::parse_document(&shown);
        let inputs = scraper::Selector::parse("input").unwrap();
        let pairs: Vec<_> = parsed.select(&inputs).map(|i| (i.attr("name").unwrap(), i.attr("value").unwrap())).collect();
        let restored = restore(URLENCODED, &form(&pairs)).unwrap();
        let expected = value.replace('\0', "");
        prop_assert_eq!(restored.body, form(&[("address", &expected)]));
    }
}
