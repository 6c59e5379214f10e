//! Proxies whose `X-Forwarded-*` headers are believed.

use super::Peer;
use http::{HeaderMap, HeaderName};
use std::net::IpAddr;
use std::str::FromStr;

/// A list of networks; empty by default, so that nobody is believed.
#[derive(Clone, Debug, Default)]
pub struct Networks(Vec<Network>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

/// A text that names no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an address nor a network such as 10.0.0.0/8")]
pub struct InvalidNetwork(String);

impl Networks {
    /// Reads addresses and networks in CIDR notation.
    ///
    /// # Errors
    /// [`InvalidNetwork`] for the first text that names none.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidNetwork> {
        texts
            .into_iter()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether an address lies in one of the networks.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0
            .iter()
            .any(|network| network.contains(address.to_canonical()))
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let invalid = || InvalidNetwork(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().map_err(|_| invalid())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(bits);
        if prefix > bits {
            return Err(invalid());
        }
        Ok(Self { address, prefix })
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                // A shift by all bits leaves nothing to compare.
                let shift = 32 - self.prefix;
                network.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - self.prefix;
                network.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

/// What a request says of its way here, as far as it is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Forwarded {
    /// The client's own address.
    pub(crate) client: Option<IpAddr>,
    /// The host the client asked for.
    pub(crate) host: Option<String>,
    /// Whether the client's connection is encrypted.
    pub(crate) is_encrypted: bool,
}

impl Forwarded {
    /// Whether a request says that somebody handed it on, believed or not.
    pub(crate) fn is_claimed(headers: &HeaderMap) -> bool {
        [
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-real-ip",
        ]
        .into_iter()
        .any(|name| headers.contains_key(name))
    }

    /// Reads the headers of a proxy that is in `trusted`; those of others mean nothing.
    pub(crate) fn read(peer: Option<Peer>, headers: &HeaderMap, trusted: &Networks) -> Self {
        let Some(peer) = peer else {
            return Self::default();
        };
        let direct = Self {
            client: Some(peer.address.ip()),
            host: None,
            is_encrypted: peer.is_encrypted,
        };
        if !trusted.contain(peer.address.ip()) {
            return direct;
        }
        // Each proxy appends: the last address that is not a proxy of ours is the client.
        let client = list(headers, "x-forwarded-for")
            .rev()
            .map_while(|text| text.parse::<IpAddr>().ok())
            .find(|address| !trusted.contain(*address));
        Self {
            client: client.or(direct.client),
            host: list(headers, "x-forwarded-host")
                .next_back()
                .map(str::to_owned),
            is_encrypted: match list(headers, "x-forwarded-proto").next_back() {
                Some(protocol) => protocol.eq_ignore_ascii_case("https"),
                None => direct.is_encrypted,
            },
        }
    }
}

/// The entries of a header that may come as several lines and several values per line.
fn list<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
) -> impl DoubleEndedIterator<Item = &'a str> {
    headers
        .get_all(HeaderName::from_static(name))
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|&(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        pairs.collect()
    }

    fn peer(address: &str) -> Option<Peer> {
        Some(Peer {
            address: address.parse().unwrap(),
            is_encrypted: false,
        })
    }

    #[test]
    fn networks_contain_their_addresses_and_no_others() {
        let networks = Networks::parse(["10.0.0.0/8", "192.168.1.7", "fd00::/8"]).unwrap();
        for (address, expected) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("192.168.1.7", true),
            ("192.168.1.8", false),
            ("::ffff:10.1.2.3", true),
            ("fd12::1", true),
            ("fe80::1", false),
        ] {
            assert_eq!(
                networks.contain(address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
        assert!(
            Networks::parse(["0.0.0.0/0"])
                .unwrap()
                .contain("8.8.8.8".parse().unwrap())
        );
        for wrong in ["10.0.0.0/33", "proxy.example", "", "10.0.0.0/x"] {
            assert!(Networks::parse([wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let trusted = Networks::parse(["10.0.0.0/8"]).unwrap();
        let headers = headers(&[
            ("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.0.0.9"),
            ("x-forwarded-host", "chat.example"),
            ("x-forwarded-proto", "https"),
        ]);
        let believed = Forwarded::read(peer("10.0.0.1:5"), &headers, &trusted);
        let expected = Forwarded {
            client: Some("1.2.3.4".parse().unwrap()),
            host: Some("chat.example".to_owned()),
            is_encrypted: true,
        };
        assert_eq!(believed, expected);
        let stranger = Forwarded::read(peer("9.9.9.9:5"), &headers, &trusted);
        let expected = Forwarded {
            client: Some("9.9.9.9".parse().unwrap()),
            host: None,
            is_encrypted: false,
        };
        assert_eq!(stranger, expected);
    }
}
