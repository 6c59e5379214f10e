//! [`HostPolicy`]: which `Host` headers this server answers to.
//!
//! A page whose name is rebound to this machine's address still sends its own name (DNS
//! rebinding); a server that answers only to its own names is out of its reach.

use super::Origin;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// Which `Host` headers this server answers to. Ports are not compared: a tunnel or a container
/// may change them, and they protect nothing.
#[derive(Clone, Debug)]
pub struct HostPolicy {
    names: BTreeSet<String>,
    any_address: bool,
    public_origin: Option<Origin>,
}

/// A host that cannot be allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a host name such as chat.example or a URL such as https://chat.example")]
pub struct InvalidHost(String);

impl HostPolicy {
    /// Answers to loopback names, to the address the server is bound to (to every address when it
    /// is bound to all: an address cannot be rebound), to `allowed` names and to the name in
    /// `public_url`.
    ///
    /// # Errors
    /// [`InvalidHost`] for a text that is no name or URL.
    pub fn new(
        bound: SocketAddr,
        allowed: &[String],
        public_url: Option<&str>,
    ) -> Result<Self, InvalidHost> {
        let mut names = BTreeSet::from(["localhost".to_owned()]);
        names.insert(bound.ip().to_canonical().to_string());
        for name in allowed {
            let (host, _) = split(name).ok_or_else(|| InvalidHost(name.clone()))?;
            names.insert(host);
        }
        let public_origin = match public_url {
            Some(text) => {
                let invalid = || InvalidHost(text.to_owned());
                let url = url::Url::parse(text).map_err(|_| invalid())?;
                let authority = url.host_str().ok_or_else(invalid)?;
                names.insert(split(authority).ok_or_else(invalid)?.0);
                Some(Origin::parse(text).map_err(|_| invalid())?)
            }
            None => None,
        };
        Ok(Self {
            names,
            any_address: bound.ip().is_unspecified(),
            public_origin,
        })
    }

    /// Whether `host`, the value of a `Host` header, names this server.
    pub(crate) fn allows(&self, host: &str) -> bool {
        let Some((host, _port)) = split(host) else {
            return false;
        };
        match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(address) if address.is_unspecified() => false,
            Ok(address) => {
                address.is_loopback()
                    || self.any_address
                    || self.names.contains(&address.to_string())
            }
            Err(_) => self.names.contains(&host),
        }
    }

    /// The origin that clients see, where a proxy stands in between.
    pub(crate) fn public_origin(&self) -> Option<&Origin> {
        self.public_origin.as_ref()
    }
}

/// A `Host` header's host in lower case, without brackets, and its port. `None` for anything that
/// is not plainly a host.
fn split(text: &str) -> Option<(String, Option<u16>)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(inside) => {
            let (address, rest) = inside.split_once(']')?;
            (
                address.parse::<std::net::Ipv6Addr>().ok()?.to_string(),
                rest,
            )
        }
        None => {
            let end = text.find(':').unwrap_or(text.len());
            let name = &text[..end];
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
            if name.is_empty() || name.len() > 253 || !name.chars().all(is_plain) {
                return None;
            }
            (name.to_ascii_lowercase(), &text[end..])
        }
    };
    let port = match rest.strip_prefix(':') {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(port.parse::<u16>().ok()?)
        }
        None if rest.is_empty() => None,
        _ => return None,
    };
    Some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(bound: &str, allowed: &[&str], public_url: Option<&str>) -> HostPolicy {
        let allowed: Vec<String> = allowed.iter().map(|&name| name.to_owned()).collect();
        HostPolicy::new(bound.parse().unwrap(), &allowed, public_url).unwrap()
    }

    #[test]
    fn a_server_on_all_addresses_answers_to_addresses_and_its_names() {
        let policy = policy(
            "0.0.0.0:8080",
            &["Chat.Example"],
            Some("https://ai.example/base"),
        );
        for (host, expected) in [
            ("192.168.1.5:8080", true),
            ("[fd00::1]:8080", true),
            ("chat.example", true),
            ("ai.example:443", true),
            ("evil.example", false),
            ("0.0.0.0:8080", false),
            ("[::]:8080", false),
        ] {
            assert_eq!(policy.allows(host), expected, "{host}");
        }
    }

    #[test]
    fn a_server_on_one_address_answers_to_that_one() {
        let policy = policy("192.168.1.5:8080", &[], None);
        assert!(policy.allows("192.168.1.5:8080") && policy.allows("localhost:8080"));
        assert!(!policy.allows("192.168.1.6:8080"));
    }

    #[test]
    fn a_name_that_is_none_cannot_be_allowed() {
        let bound = "127.0.0.1:0".parse().unwrap();
        for wrong in ["*", "", "a b", "user@host", "http://x"] {
            assert!(
                HostPolicy::new(bound, &[wrong.to_owned()], None).is_err(),
                "{wrong}"
            );
        }
        assert!(HostPolicy::new(bound, &[], Some("chat.example")).is_err());
    }
}
