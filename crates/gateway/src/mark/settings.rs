//! `[app.mark]`: what lies over the pages of an app.

use serde::Deserialize;

/// What lies over the pages of an app, and what follows when it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MarkSettings {
    /// The mark that a camera sees and people do not: a film or picture of the page leads back to its session.
    pub invisible: bool,
    /// Name and time for everybody to read.
    pub visible: Visible,
    /// What follows when a page cannot prove that the invisible mark lies over it.
    pub heartbeat: Heartbeat,
}

impl Default for MarkSettings {
    fn default() -> Self {
        Self { invisible: true, visible: Visible::Off, heartbeat: Heartbeat::Mask }
    }
}

impl MarkSettings {
    /// Whether anything lies over a page.
    pub(crate) fn is_on(&self) -> bool {
        self.invisible || self.visible != Visible::Off
    }

    /// Whether pages have to prove that their mark is in place.
    pub(crate) fn is_watched(&self) -> bool {
        self.invisible && self.heartbeat != Heartbeat::Off
    }

    /// Whether a fault masks.
    pub(crate) fn masks(&self) -> bool {
        self.is_watched() && matches!(self.heartbeat, Heartbeat::Mask | Heartbeat::MaskFirst)
    }
}

/// The mark that people can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Visible {
    /// None.
    Off,
    /// In a corner of the window.
    Corner,
    /// In another place every half minute.
    Moving,
}

/// What follows when a page cannot prove that its mark is in place. In `observe` it is recorded at the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heartbeat {
    /// Pages are not asked.
    Off,
    /// An entry.
    Record,
    /// An entry, and what needs the mark is masked for the session until a fresh page proves that it has it.
    Mask,
    /// As `mask`, and masked from the beginning of the session too, until its first page has proved it: a browser
    /// without scripts never sees what needs the mark.
    MaskFirst,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_on_by_default_and_faults_mask() {
        let settings: MarkSettings = serde_json::from_str("{}").unwrap();
        assert_eq!(settings, MarkSettings::default());
        assert!(settings.is_on() && settings.is_watched() && settings.masks());
    }

    #[test]
    fn without_the_invisible_mark_there_is_nothing_to_prove() {
        let settings: MarkSettings =
            serde_json::from_str(r#"{"invisible":false,"visible":"moving","heartbeat":"mask_first"}"#)
                .unwrap();
        assert!(settings.is_on() && !settings.is_watched() && !settings.masks());
        assert!(serde_json::from_str::<MarkSettings>(r#"{"hartbeat":"off"}"#).is_err());
    }
}
