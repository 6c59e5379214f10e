//! `rustygpt open`: a link that lets the person at the machine into the web page.
//!
//! The code stands behind a `#`: browsers keep that part to themselves, so that it is in no log and
//! no `Referer`.

use super::accounts::{Office, with_office};
use super::env::server_url;
use crate::config::Settings;
use crate::output;
use anyhow::Result;
use std::process::ExitCode;
use url::Url;

pub(crate) async fn run(settings: &Settings) -> Result<ExitCode> {
    let url = server_url(settings)?;
    let link = with_office(settings, |office| link(office, url)).await?;
    output::line(&link)?;
    Ok(ExitCode::SUCCESS)
}

async fn link(office: Office, mut url: Url) -> Result<String> {
    let (accounts, owner) = (&office.accounts, &office.owner);
    if let Some(code) = accounts.offer_ownership(owner).await? {
        output::remark("There is no account yet. This link makes its user the owner, for a day:");
        url.set_fragment(Some(&format!("owner={}", code.reveal())));
    } else if let Some(code) = accounts.offer_page(owner).await? {
        output::remark("This link signs you in, once, within a minute:");
        url.set_fragment(Some(&format!("code={}", code.reveal())));
    }
    Ok(url.to_string())
}
