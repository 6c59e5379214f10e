//! Whether a certificate and a key can serve HTTPS: they are readable, belong together and the
//! certificate is valid now.

use anyhow::{Context as _, Result, bail};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::path::Path;

/// Checks a certificate chain and its key at a time in seconds since 1970.
///
/// # Errors
/// A sentence that says which file is wrong and how.
pub(crate) fn check(certificate: &Path, key: &Path, now: u64) -> Result<()> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(|| format!("cannot read the certificate {}", certificate.display()))?;
    let Some(first) = chain.first().cloned() else {
        bail!("{} holds no certificate", certificate.display());
    };
    let private_key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("cannot read the private key {}", key.display()))?;
    let provider = rustls::crypto::ring::default_provider();
    CertifiedKey::from_der(chain, private_key, &provider).with_context(|| {
        format!(
            "{} and {} do not belong together",
            certificate.display(),
            key.display()
        )
    })?;
    let (not_before, not_after) = validity(&first)
        .with_context(|| format!("{} is no X.509 certificate", certificate.display()))?;
    if now > not_after {
        let days = (now - not_after) / 86_400;
        bail!(
            "the certificate {} expired {days} days ago",
            certificate.display()
        );
    }
    if now < not_before {
        bail!("the certificate {} is not valid yet", certificate.display());
    }
    Ok(())
}

/// From when to when a certificate is valid, in seconds since 1970 (RFC 5280, section 4.1.2.5).
fn validity(certificate: &[u8]) -> Option<(u64, u64)> {
    const SEQUENCE: u8 = 0x30;
    const EXPLICIT_VERSION: u8 = 0xa0;
    let (_, certificate, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, mut fields, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    if let Some((EXPLICIT_VERSION, _, rest)) = element(fields) {
        fields = rest;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        fields = element(fields)?.2;
    }
    let (_, validity, _) = element(fields).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (from_tag, from, rest) = element(validity)?;
    let (to_tag, to, _) = element(rest)?;
    Some((time(from_tag, from)?, time(to_tag, to)?))
}

/// One DER element: tag, content, what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, bytes) = bytes.split_first()?;
    let (&first, bytes) = bytes.split_first()?;
    let (length, bytes) = if first < 0x80 {
        (usize::from(first), bytes)
    } else {
        let count = usize::from(first & 0x7f);
        let digits = bytes
            .get(..count)
            .filter(|digits| (1..=4).contains(&digits.len()))?;
        let length = digits
            .iter()
            .fold(0, |sum, digit| sum << 8 | usize::from(*digit));
        (length, &bytes[count..])
    };
    Some((tag, bytes.get(..length)?, &bytes[length..]))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`, which RFC 5280 wants without fractions and in UTC.
fn time(tag: u8, text: &[u8]) -> Option<u64> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let digits = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let year_digits = match tag {
        UTC_TIME => 2,
        GENERALIZED_TIME => 4,
        _ => return None,
    };
    if digits.len() != year_digits + 10 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = digits.split_at(year_digits);
    let year: u64 = year.parse().ok()?;
    // Two digits mean 1950 to 2049.
    let year = match tag {
        UTC_TIME if year < 50 => 2000 + year,
        UTC_TIME => 1900 + year,
        _ => year,
    };
    let part = |at: usize| rest[at..at + 2].parse::<u64>().ok();
    let days = days_since_epoch(year, part(0)?, part(2)?)?;
    Some(days * 86_400 + part(4)? * 3600 + part(6)? * 60 + part(8)?)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; `None` before 1970.
fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    const BEFORE_MONTH: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap_years = |year: u64| year / 4 - year / 100 + year / 400;
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let years = year.checked_sub(1970)?;
    let before_year = years * 365 + leap_years(year - 1) - leap_years(1969);
    let before_month = BEFORE_MONTH.get(usize::try_from(month.checked_sub(1)?).ok()?)?;
    let leap_day = u64::from(is_leap && month > 2);
    Some(before_year + before_month + leap_day + day.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    const NOW: u64 = 1_795_000_000;

    /// Writes a certificate of the years 2020 to `until` and its key.
    fn certificate(folder: &Path, name: &str, until: i32) -> (PathBuf, PathBuf) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(until, 1, 1);
        let certificate = parameters.self_signed(&key).unwrap();
        let paths = (
            folder.join(format!("{name}.pem")),
            folder.join(format!("{name}.key")),
        );
        std::fs::write(&paths.0, certificate.pem()).unwrap();
        std::fs::write(&paths.1, key.serialize_pem()).unwrap();
        paths
    }

    #[test]
    fn a_valid_pair_passes_and_its_validity_is_read_exactly() {
        let scratch = tempfile::tempdir().unwrap();
        for until in [2049, 2060] {
            let (certificate, key) = certificate(scratch.path(), "a", until);
            check(&certificate, &key, NOW).unwrap();
            let der = CertificateDer::from_pem_file(&certificate).unwrap();
            let years = u64::try_from(until - 1970).unwrap();
            let leap_days = (u64::try_from(until).unwrap() - 1969) / 4;
            let expected = (years * 365 + leap_days) * 86_400;
            assert_eq!(validity(&der), Some((1_577_836_800, expected)));
        }
    }

    #[test]
    fn expired_mismatched_and_missing_files_are_told_apart() {
        let scratch = tempfile::tempdir().unwrap();
        let (old, old_key) = certificate(scratch.path(), "old", 2021);
        let (new, new_key) = certificate(scratch.path(), "new", 2040);
        let message = |c: &Path, k: &Path| format!("{:#}", check(c, k, NOW).unwrap_err());
        assert!(message(&old, &old_key).contains("expired"));
        assert!(message(&new, &old_key).contains("do not belong together"));
        assert!(message(&scratch.path().join("none"), &new_key).contains("cannot read"));
        assert!(message(&new_key, &new_key).contains("holds no certificate"));
        let early = format!("{:#}", check(&new, &new_key, 0).unwrap_err());
        assert!(early.contains("not valid yet"), "{early}");
    }
}
