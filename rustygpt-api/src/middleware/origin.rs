//! [`Origin`]: which page a browser speaks for.

use std::str::FromStr;

/// An origin, normalised: `https://chat.example`, `http://localhost:3000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// A text that is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin such as https://chat.example")]
pub struct InvalidOrigin(String);

impl Origin {
    /// Reads an origin or a URL, of which only the origin counts. `null` and `*` are none: they
    /// would stand for pages nobody chose.
    ///
    /// # Errors
    /// [`InvalidOrigin`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidOrigin> {
        let invalid = || InvalidOrigin(text.to_owned());
        let url = url::Url::parse(text).map_err(|_| invalid())?;
        let origin = url.origin();
        if origin.is_tuple() {
            return Ok(Self(origin.ascii_serialization()));
        }
        // Editors have schemes of their own (vscode-file://vscode-app); their origin is opaque to
        // the URL standard, yet browsers send it.
        match url.host_str() {
            Some(host) if !host.is_empty() => Ok(Self(format!("{}://{host}", url.scheme()))),
            _ => Err(invalid()),
        }
    }

    /// The origin as browsers write it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;
    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_in_one_form() {
        for (text, expected) in [
            ("HTTP://LocalHost:80/path?x", "http://localhost"),
            ("https://chat.example:8443", "https://chat.example:8443"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("vscode-file://vscode-app", "vscode-file://vscode-app"),
        ] {
            assert_eq!(Origin::parse(text).unwrap().as_str(), expected);
        }
        for wrong in ["null", "*", "", "chat.example", "file:///etc", "data:,x"] {
            assert!(Origin::parse(wrong).is_err(), "{wrong}");
        }
    }
}
