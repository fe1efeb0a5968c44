//! Errors in TOML files, as one can act on them: file, line, key and the nearest valid one.

use std::path::Path;

/// Turns what the parser says into `file:line: …; did you mean …?`.
pub(crate) fn explain(file: &Path, text: &str, error: &toml::de::Error) -> String {
    let message = error.message().trim();
    let nearest = nearest(message).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
    match error.span() {
        Some(span) => {
            let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
            let key = text.lines().nth(line - 1).unwrap_or_default().trim();
            format!("{}:{line}: {message}{nearest}\n    {key}", file.display())
        }
        None => format!("{}: {message}{nearest}", file.display()),
    }
}

/// For `unknown field `a`, expected one of `b`, `c``: whichever is nearest to what was written.
fn nearest(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let written = quoted.next().filter(|_| message.starts_with("unknown"))?;
    quoted
        .map(|known| (strsim::damerau_levenshtein(written, known), known))
        .filter(|(distance, known)| *distance <= known.len().max(written.len()) / 2)
        .min()
        .map(|(_, known)| known.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)] // only read by the parser under test
    struct Sample {
        listen: Option<String>,
        upstream: Option<String>,
    }

    #[test]
    fn an_unknown_key_names_file_line_and_the_nearest_valid_key() {
        let text = "upstream = \"a\"\nlisten_ = \"b\"\n";
        let error = toml::from_str::<Sample>(text).unwrap_err();
        let said = explain(Path::new("sightline.toml"), text, &error);
        assert!(said.starts_with("sightline.toml:2: unknown field `listen_`"), "{said}");
        assert!(said.contains("did you mean `listen`?"), "{said}");
    }

    #[test]
    fn a_wrong_type_names_the_line() {
        let text = "\n\nlisten = 5\n";
        let error = toml::from_str::<Sample>(text).unwrap_err();
        let said = explain(Path::new("s.toml"), text, &error);
        assert!(said.starts_with("s.toml:3: "), "{said}");
        assert!(said.ends_with("listen = 5"), "{said}");
    }
}
