//! How long recognising and masking take: `cargo run --release -p sightline-adapter --example speed`.

use std::time::{Duration, Instant};

use http::Method;
use model::{CustomerId, FieldClass};
use sightline_adapter::{Adapter, Answer, Part, Recognised, Request, Treatment, Verdict};

struct MaskContact;

impl Treatment for MaskContact {
    fn verdict(&mut self, _: Option<&CustomerId>, _: Part, class: FieldClass) -> Verdict {
        match class {
            FieldClass::ContactEmail | FieldClass::ContactPhone => Verdict::Mask,
            _ => Verdict::Show,
        }
    }
    fn seal(&mut self, _: &str, _: &str) -> String {
        String::new()
    }
}

fn main() {
    let adapter = Adapter::parse("desk.toml", include_str!("../../../adapters/desk.toml"))
        .unwrap_or_else(|errors| panic!("{errors}"));
    let customers: Vec<_> = (0..100)
        .map(|i| {
            serde_json::json!({
                "id": format!("c-{i:05}"), "name": "Jane Smith", "email": "jane.smith@example.com",
                "phone": "+49 30 5550 4821", "address": "14 Harbour Lane, 20095 Hamburg",
                "account": "DE89370400440532013000", "balance": "1234.50", "tier": "standard", "since": "2020-01-01",
            })
        })
        .collect();
    let json = serde_json::json!({"customers": customers, "next": 2}).to_string();
    let rows: String = (0..100)
        .map(|i| {
            format!(
                "<tr class=\"customer-row\" data-customer-id=\"c-{i:05}\"><td data-field=\"name\">Jane Smith</td>\
                 <td data-field=\"email\">jane.smith@example.com</td><td data-field=\"account\">DE89370400440532013000</td>\
                 <td data-field=\"balance\">1,234.50</td></tr>\n"
            )
        })
        .collect();
    let html = format!("<html><body><table>{rows}</table></body></html>");
    measure(&adapter, "/api/customers?page=1", "application/json", &json);
    measure(&adapter, "/customers?page=1", "text/html; charset=utf-8", &html);
}

fn measure(adapter: &Adapter, target: &str, content_type: &str, body: &str) {
    let mut best = Duration::MAX;
    for _ in 0..2000 {
        let start = Instant::now();
        let request = Request { method: &Method::GET, target, content_type: None, body: b"" };
        let Recognised::Read(read) = adapter.recognise(&request) else { panic!("{target} is not known") };
        let answer = Answer { status: 200, content_type: Some(content_type), body: body.as_bytes() };
        let masked = adapter.mask(&read, &answer, &mut MaskContact);
        std::hint::black_box(masked.unwrap_or_else(|why| panic!("{why}")));
        best = best.min(start.elapsed());
    }
    let per_20_kib = best.as_secs_f64() * 1e6 * 20480.0 / body.len() as f64;
    eprintln!("{target}: {} bytes in {best:?}, {per_20_kib:.0} µs for 20 KiB", body.len());
}
