//! `rustygpt env`: what points a client at this server, ready to paste.

use crate::arguments::Client;
use crate::config::Settings;
use crate::{api_key, output, server_record};
use anyhow::Result;
use serde_json::json;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use url::Url;

pub(crate) fn run(settings: &Settings, client: Client) -> Result<ExitCode> {
    let key = match &settings.api_key {
        Some(key) => key.reveal()?,
        None => api_key::read_or_create(&settings.key_file())?,
    };
    let url = server_url(settings)?;
    let model = settings
        .models
        .first()
        .and_then(|choice| choice.id.as_deref());
    output::stdout().write_all(snippet(client, &url, &key, model.unwrap_or("MODEL")).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The address clients use: the configured one, that of the running server, or where one would
/// listen.
pub(crate) fn server_url(settings: &Settings) -> Result<Url> {
    if let Some(url) = &settings.public_url {
        return Ok(url.clone());
    }
    if let Some(url) = server_record::running(&settings.data_dir) {
        return Ok(url);
    }
    address_url(settings.address(), settings.tls.is_some())
}

/// The URL of a listening address. An address that means "all" is reached by the loopback one.
pub(crate) fn address_url(address: SocketAddr, is_tls: bool) -> Result<Url> {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let scheme = if is_tls { "https" } else { "http" };
    Ok(Url::parse(&format!(
        "{scheme}://{}",
        SocketAddr::new(ip, address.port())
    ))?)
}

/// What to paste for one client. `model` is an id, or the word MODEL where none is known.
pub(crate) fn snippet(client: Client, url: &Url, key: &str, model: &str) -> String {
    let base = url.as_str().trim_end_matches('/');
    let lines = match client {
        Client::Openai => vec![
            format!("export OPENAI_BASE_URL={}", quoted(&format!("{base}/v1"))),
            format!("export OPENAI_API_KEY={}", quoted(key)),
        ],
        Client::Copilot => vec![
            "export COPILOT_PROVIDER_TYPE=openai".to_owned(),
            format!(
                "export COPILOT_PROVIDER_BASE_URL={}",
                quoted(&format!("{base}/v1"))
            ),
            format!("export COPILOT_PROVIDER_API_KEY={}", quoted(key)),
            format!("export COPILOT_MODEL={}", quoted(model)),
        ],
        Client::Ollama => vec![
            format!("export OLLAMA_HOST={}", quoted(base)),
            format!("export OLLAMA_API_KEY={}", quoted(key)),
        ],
        // The file takes an array; an entry of it may stand beside others.
        Client::Vscode => vec![vscode(base, key, model)],
    };
    lines.join("\n") + "\n"
}

fn vscode(base: &str, key: &str, model: &str) -> String {
    let entry = json!([{
        "name": "RustyGPT",
        "vendor": "customendpoint",
        "apiKey": key,
        "apiType": "chat-completions",
        "models": [{
            "id": model,
            "name": format!("{model} (RustyGPT)"),
            "url": format!("{base}/v1/chat/completions"),
            "toolCalling": true,
            "vision": false,
            "maxInputTokens": 28_000,
            "maxOutputTokens": 4_000
        }]
    }]);
    format!("{entry:#}")
}

/// One word for a POSIX shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@[]".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) && !text.contains('[') {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_mean_all_are_reached_by_loopback() {
        for (address, url) in [
            ("127.0.0.1:80", "http://127.0.0.1/"),
            ("0.0.0.0:7878", "http://127.0.0.1:7878/"),
            ("[::]:7878", "http://[::1]:7878/"),
        ] {
            assert_eq!(
                address_url(address.parse().unwrap(), false)
                    .unwrap()
                    .as_str(),
                url
            );
        }
    }

    #[test]
    fn shell_words_survive_every_character() {
        assert_eq!(quoted("http://127.0.0.1:1/v1"), "http://127.0.0.1:1/v1");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }

    #[test]
    fn the_vscode_snippet_is_json_with_key_and_address() {
        let url = "http://127.0.0.1:7878".parse().unwrap();
        let text = snippet(Client::Vscode, &url, "rgpt-1", "tiny");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json[0]["apiKey"], "rgpt-1");
        assert_eq!(
            json[0]["models"][0]["url"],
            "http://127.0.0.1:7878/v1/chat/completions"
        );
    }
}
