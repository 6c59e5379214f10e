//! The second factor: six digits that an app computes from a shared secret and the time (RFC 6238).

use ring::hmac;
use rustygpt_utils::random::{self, NoRandomness};
use std::fmt;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Seconds for which a code holds.
const STEP_SECONDS: u64 = 30;
/// Steps before and after the present one whose codes are taken too, because clocks differ.
const TOLERANCE: u64 = 1;
const DIGITS: usize = 6;
/// What apps and QR codes write secrets in (RFC 4648).
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The secret that a person's app shares with us: 160 bits, as RFC 4226 recommends.
#[derive(Clone, Copy)]
pub(super) struct TotpSecret([u8; 20]);

/// The number of 30-second spans since 1970 to which a code belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step(pub u64);

impl TotpSecret {
    /// Makes a secret.
    ///
    /// # Errors
    /// [`NoRandomness`] when the operating system has none to give.
    pub(super) fn generate() -> Result<Self, NoRandomness> {
        Ok(Self(random::bytes()?))
    }

    /// A secret that was kept; `None` if it is not 20 bytes.
    #[must_use]
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// Its bytes, to be sealed.
    #[must_use]
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The secret as apps take it by hand.
    #[must_use]
    pub(super) fn base32(&self) -> String {
        // 160 bits are 32 symbols of five bits, so there is no padding.
        let symbol = |index: usize| {
            let bit = index * 5;
            let high = u16::from(self.0[bit / 8]) << 8;
            let low = self.0.get(bit / 8 + 1).copied().map_or(0, u16::from);
            let value = (high | low) >> (11 - bit % 8) & 31;
            char::from(BASE32[usize::from(value)])
        };
        (0..self.0.len() * 8 / 5).map(symbol).collect()
    }

    /// The address that a QR code for apps holds (the Key URI format of Google Authenticator).
    #[must_use]
    pub(super) fn uri(&self, issuer: &str, account: &str) -> String {
        let encode = |text: &str| -> String {
            url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
        };
        // Apps read `+` in a path as it stands.
        let (issuer, account) = (
            encode(issuer).replace('+', "%20"),
            encode(account).replace('+', "%20"),
        );
        format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}",
            self.base32()
        )
    }

    /// The step of the code that was typed, if it is one of the present codes and later than
    /// `last`, the step that was used last. A code is good once: who looked over a shoulder comes
    /// too late.
    #[must_use]
    pub(super) fn accept(&self, typed: &str, now: Duration, last: Option<Step>) -> Option<Step> {
        let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
        let present = now.as_secs() / STEP_SECONDS;
        let mut accepted = None;
        for step in present.saturating_sub(TOLERANCE)..=present.saturating_add(TOLERANCE) {
            let is_equal = bool::from(self.code(Step(step)).as_bytes().ct_eq(typed.as_bytes()));
            let is_new = last.is_none_or(|last| Step(step) > last);
            if is_equal && is_new {
                accepted = Some(Step(step));
            }
        }
        accepted
    }

    /// The code of a step (RFC 4226, 5.3).
    fn code(&self, step: Step) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.0.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag[tag.len() - 1] & 15);
        let word = [
            tag[offset],
            tag[offset + 1],
            tag[offset + 2],
            tag[offset + 3],
        ];
        let number = u32::from_be_bytes(word) & 0x7fff_ffff;
        format!("{:0DIGITS$}", number % 10u32.pow(DIGITS as u32))
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TotpSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: TotpSecret = TotpSecret(*b"12345678901234567890");

    /// The vectors of RFC 6238, appendix B, of which we show the last six digits.
    #[test]
    fn the_vectors_of_the_standard_hold() {
        for (time, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let now = Duration::from_secs(time);
            let step = SECRET.accept(code, now, None);
            assert_eq!(step, Some(Step(time / STEP_SECONDS)), "{time}");
        }
    }

    #[test]
    fn a_code_holds_a_step_longer_on_both_sides_and_only_once() {
        let at = |seconds| Duration::from_secs(seconds);
        let code = SECRET.code(Step(100));
        for (seconds, accepted) in [
            (2969, false),
            (2970, true),
            (3000, true),
            (3059, true),
            (3060, false),
        ] {
            let step = SECRET.accept(&code, at(seconds), None);
            assert_eq!(step.is_some(), accepted, "{seconds}");
        }
        assert_eq!(
            SECRET.accept(&code, at(3000), Some(Step(99))),
            Some(Step(100))
        );
        assert_eq!(SECRET.accept(&code, at(3000), Some(Step(100))), None);
        assert_eq!(SECRET.accept(&code, at(3000), Some(Step(101))), None);
        let spaced = format!("{} {}", &code[..3], &code[3..]);
        assert!(SECRET.accept(&spaced, at(3000), None).is_some());
        for wrong in ["", "0", "abcdef", &code[..5], &format!("{code}0")] {
            assert_eq!(SECRET.accept(wrong, at(3000), None), None, "{wrong}");
        }
    }

    #[test]
    fn apps_can_read_the_secret() {
        assert_eq!(SECRET.base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(
            SECRET.uri("RustyGPT", "ada lovelace@example.org"),
            "otpauth://totp/RustyGPT:ada%20lovelace%40example.org?\
             secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=RustyGPT"
        );
    }
}
