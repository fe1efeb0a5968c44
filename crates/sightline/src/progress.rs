//! Progress of long work, on the error stream, where that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar that counts `things`.
pub(crate) fn bar(doing: &'static str, things: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
    // The template is a constant with valid placeholders; were it not, the default bar would do.
    if let Ok(style) = ProgressStyle::with_template(&format!(
        "{{msg}} {{wide_bar}} {{human_pos}}/{{human_len}} {things}, {{eta}}"
    )) {
        bar.set_style(style);
    }
    bar.set_message(doing);
    bar
}
