//! The second factor: offered, confirmed by its first code, taken away.

use super::totp::{Step, TotpSecret};
use super::{Accounts, OneTimeCode, Password, Whence, as_oneself, own_account};
use crate::UseCaseError;
use crate::access::{AccountId, Action, Caller, Thing, authorize};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustygpt_db::store::Digest;

/// What an app shows beside its codes.
const ISSUER: &str = "RustyGPT";
/// Recovery codes given out with a second factor.
const RECOVERY_CODES: usize = 8;
/// How long an offer may wait for its first code, in seconds.
const OFFER_SECONDS: u64 = 15 * 60;

/// A secret for a person's app, which counts once its first code has come back.
#[derive(Clone)]
pub struct SecondFactorOffer {
    /// The address that a QR code holds.
    pub uri: String,
    /// The secret, to be typed in by hand.
    pub secret: String,
    /// Comes back together with the first code: the secret, sealed, so that nothing is kept of an
    /// offer that is not taken.
    pub offer: String,
}

/// Given out once, when the second factor is set.
#[derive(Clone)]
pub struct SecondFactorCodes {
    /// Each lets its holder in once without the app.
    pub recovery_codes: Vec<String>,
}

impl Accounts {
    /// Offers a secret for an app.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`].
    pub async fn offer_second_factor(
        &self,
        caller: &Caller,
    ) -> Result<SecondFactorOffer, UseCaseError> {
        let id = own_account(caller)?;
        authorize(caller, Action::Change, Thing::Credentials(id))?;
        let account = self.store.account(as_oneself(caller)?, id).await?;
        let account = account.ok_or(UseCaseError::NotFound("account"))?;
        let secret = TotpSecret::generate()?;
        let expires = self.clock.unix_seconds() + OFFER_SECONDS;
        let mut plain = expires.to_be_bytes().to_vec();
        plain.extend_from_slice(secret.as_bytes());
        let sealed = self.secrets.seal(&offer_context(id), &plain)?;
        Ok(SecondFactorOffer {
            uri: secret.uri(ISSUER, &account.email),
            secret: secret.base32(),
            offer: URL_SAFE_NO_PAD.encode(sealed),
        })
    }

    /// Sets the second factor, proved by the app's first code; the password is asked for once more.
    ///
    /// # Errors
    /// [`UseCaseError::Invalid`] for a wrong password, code or offer.
    pub async fn set_second_factor(
        &self,
        caller: &Caller,
        password: Password,
        offer: &str,
        code: &str,
        whence: &Whence,
    ) -> Result<SecondFactorCodes, UseCaseError> {
        let id = own_account(caller)?;
        authorize(caller, Action::Change, Thing::Credentials(id))?;
        let by = as_oneself(caller)?;
        self.confirm_password(by, id, password, whence).await?;
        let secret = self.offered(id, offer).ok_or_else(|| {
            UseCaseError::invalid(
                "offer",
                "The offer is not valid, or not any more. Begin again.",
            )
        })?;
        let Some(Step(step)) = secret.accept(code, self.clock.since_epoch(), None) else {
            return Err(UseCaseError::invalid("code", "The code is not right."));
        };
        let codes = (0..RECOVERY_CODES).map(|_| OneTimeCode::generate());
        let codes = codes.collect::<Result<Vec<_>, _>>()?;
        let digests: Vec<Digest> = codes
            .iter()
            .map(|code| Digest(code.digest().to_bytes()))
            .collect();
        let sealed = self.secrets.seal(&kept_context(id), secret.as_bytes())?;
        let act = self.act(
            by,
            whence,
            "account.set_second_factor",
            format_args!("account:{id}"),
        );
        self.store
            .change_totp(id, Some(&sealed), &digests, &act)
            .await?;
        // The code that proved the app must not open the next sign-in too.
        self.store
            .use_totp_step(id, i64::try_from(step).unwrap_or(i64::MAX))
            .await?;
        Ok(SecondFactorCodes {
            recovery_codes: codes.iter().map(OneTimeCode::reveal).collect(),
        })
    }

    /// Takes the second factor away; the password is asked for once more.
    ///
    /// # Errors
    /// [`UseCaseError::Invalid`] for a wrong password.
    pub async fn remove_second_factor(
        &self,
        caller: &Caller,
        password: Password,
        whence: &Whence,
    ) -> Result<(), UseCaseError> {
        let id = own_account(caller)?;
        authorize(caller, Action::Change, Thing::Credentials(id))?;
        let by = as_oneself(caller)?;
        self.confirm_password(by, id, password, whence).await?;
        let act = self.act(
            by,
            whence,
            "account.remove_second_factor",
            format_args!("account:{id}"),
        );
        Ok(self.store.change_totp(id, None, &[], &act).await?)
    }

    fn offered(&self, id: AccountId, offer: &str) -> Option<TotpSecret> {
        let sealed = URL_SAFE_NO_PAD.decode(offer).ok()?;
        let plain = self.secrets.open(&offer_context(id), &sealed)?;
        let (expires, secret) = plain.split_first_chunk()?;
        if u64::from_be_bytes(*expires) <= self.clock.unix_seconds() {
            return None;
        }
        TotpSecret::from_bytes(secret)
    }

    /// The step whose code this is, by the app's secret.
    ///
    /// # Errors
    /// A secret that cannot be opened: the root secret was replaced and the old one not kept.
    pub(super) fn step_of_app(
        &self,
        id: AccountId,
        sealed: Option<&[u8]>,
        code: &str,
    ) -> Result<Option<i64>, UseCaseError> {
        let Some(sealed) = sealed else {
            return Ok(None);
        };
        let plain = self.secrets.open(&kept_context(id), sealed);
        let secret = plain.and_then(|plain| TotpSecret::from_bytes(&plain));
        let secret = secret.ok_or_else(|| {
            UseCaseError::Internal(
                "a second factor was sealed by a root secret that is gone".into(),
            )
        })?;
        let step = secret.accept(code, self.clock.since_epoch(), None);
        Ok(step.and_then(|Step(step)| i64::try_from(step).ok()))
    }
}

fn offer_context(id: AccountId) -> String {
    format!("offered second factor of {id}")
}

fn kept_context(id: AccountId) -> String {
    format!("second factor of {id}")
}
