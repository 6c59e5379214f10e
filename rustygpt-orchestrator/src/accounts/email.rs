//! E-mail addresses, as names of accounts.

use std::fmt;

/// The address that names an account, in lower case. Only ASCII: two addresses that look alike are
/// then the same text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Email(String);

/// A text that is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("That is not an e-mail address such as ada@example.org.")]
pub struct InvalidEmail;

impl Email {
    /// Reads an address. Its form is checked so far that nothing else than an address passes;
    /// whether anybody receives mail there is not ours to know.
    ///
    /// # Errors
    /// [`InvalidEmail`].
    pub fn read(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail)?;
        let is_local =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~.-".contains(&byte);
        let is_label = |label: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            (1..=63).contains(&label.len())
                && label.bytes().all(plain)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let is_address = text.len() <= 254
            && (1..=64).contains(&local.len())
            && local.bytes().all(is_local)
            && domain.split('.').all(is_label);
        if is_address {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidEmail)
        }
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_form() {
        for (text, expected) in [
            (" Ada@Example.ORG ", "ada@example.org"),
            ("a+b.c@localhost", "a+b.c@localhost"),
        ] {
            assert_eq!(Email::read(text).unwrap().as_str(), expected);
        }
        let long = format!("{}@example.org", "a".repeat(65));
        for wrong in [
            "",
            "ada",
            "@",
            "ada@",
            "@example.org",
            "a b@example.org",
            "ada@exa mple.org",
            "ada@-x.org",
            "ada@x..org",
            "ädä@example.org",
            "ada@exämple.org",
            "a\n@example.org",
            "a@b@c.org\r\nBcc: x",
            "\"a\"@example.org",
            &long,
        ] {
            assert_eq!(Email::read(wrong), Err(InvalidEmail), "{wrong:?}");
        }
    }
}
