//! The look of every page: layout, style, icons, times; and the response headers that go with it.
//!
//! # How to build a page
//! Write the body as an [askama](askama) template in your crate's `templates/`, render it with
//! [`Html::of`], and put it into a [`Page`]:
//!
//! ```
//! # use askama::Template;
//! # use sightline_pages as pages;
//! #[derive(Template)]
//! #[template(ext = "html", source = r#"
//!   <h1>Why do you need this customer?</h1>
//!   <p class="lead">Choose the ticket that you are working on.</p>
//!   {{ pages::reference(reference) }}
//! "#)]
//! struct Why<'a> { reference: &'a str }
//!
//! let body = pages::Html::of(&Why { reference: "ref-0123456789abcdef" });
//! let response = pages::Page::small("Why do you need this customer?", body).respond(http::StatusCode::OK);
//! ```
//!
//! Askama escapes every `{{ value }}`; what is already [`Html`] (all the pieces of this crate) goes in
//! as it is. Askama hands fields to functions by reference: write `pages::time(*at, *now)`. The content security policy allows no inline style and no inline script: use the classes
//! of `assets/sightline.css`, and SVG attributes for what has a measured size.
//!
//! The style's building blocks: `stack` (things below each other), `row`, `spread`, `card`, `grid` with
//! `span-4` … `span-12`, `numbers`, `facts` (a `dl`), `notice` (`good`, `warn`, `bad`), `choices` (radio
//! buttons with an explanation), `field` with `hint`, `actions`, `button` (`primary`, `danger`, `quiet`,
//! `small`), `filters`, `segments`, `scroll` around every wide `table`, `num` cells, `id` for
//! identifiers, `lead` and `muted` text.
//!
//! Every listener serves [`asset`] under [`ASSETS`] (or nests [`assets`] there).

mod asset;
mod html;
mod page;
mod pieces;

pub use asset::{ASSETS, Asset, asset, asset_url, assets};
pub use html::Html;
pub use page::{CONTENT_SECURITY_POLICY, Frame, Kind, NavItem, Page, Who, harden};
pub use pieces::{
    Icon, Tone, classes, count, empty, evidence, icon, meter, notice, reference, relative, share, tier, time,
    wordmark,
};
