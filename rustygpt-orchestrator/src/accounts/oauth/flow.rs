//! [`Flow`]: what an answer must fit, from setting out until coming back.

use crate::UseCaseError;
use crate::accounts::{Accounts, Whence};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustygpt_db::store::{Act, Outcome, Principal};
use rustygpt_utils::random;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// How long somebody may stay with an issuer.
pub(super) const LASTS: Duration = Duration::from_secs(10 * 60);
/// What a flow is sealed as.
const CONTEXT: &str = "rustygpt sign-in elsewhere";

/// What an answer must fit. Kept sealed: the verifier is a secret.
#[derive(Serialize, Deserialize)]
pub(super) struct Flow {
    /// The id of the issuer.
    pub(super) issuer: String,
    /// The digest of the secret of the browser that set out.
    pub(super) browser: [u8; 32],
    /// Proves to the issuer that who brings the code asked for it.
    pub(super) verifier: String,
    /// Comes back in the identity token.
    pub(super) nonce: String,
    /// What for.
    pub(super) errand: Errand,
}

/// What somebody set out for.
#[derive(Serialize, Deserialize)]
pub(super) enum Errand {
    /// To sign in, or to sign up, perhaps invited.
    SignIn {
        /// The digest of an invitation.
        invitation: Option<[u8; 32]>,
    },
    /// To link who they are there to this account.
    Link { account: Uuid, session: Uuid },
}

/// A text of 256 random bits.
pub(super) fn secret() -> Result<String, UseCaseError> {
    Ok(URL_SAFE_NO_PAD.encode(random::bytes::<32>()?))
}

impl Accounts {
    pub(super) fn seal_flow(&self, flow: &Flow) -> Result<Vec<u8>, UseCaseError> {
        let plain = serde_json::to_vec(flow);
        let plain = plain.map_err(|error| UseCaseError::Internal(Box::new(error)))?;
        Ok(self.secrets.seal(CONTEXT, &plain)?)
    }

    pub(super) fn open_flow(&self, sealed: &[u8]) -> Option<Flow> {
        serde_json::from_slice(&self.secrets.open(CONTEXT, sealed)?).ok()
    }

    /// An act that concerns an issuer.
    pub(super) fn issuer_act(
        &self,
        by: Principal,
        whence: &Whence,
        action: &str,
        issuer: &str,
    ) -> Act {
        self.act(by, whence, action, format_args!("issuer:{issuer}"))
    }

    /// Notes in the audit log why somebody was refused.
    pub(super) async fn note_refusal(
        &self,
        mut act: Act,
        reason: &str,
    ) -> Result<(), UseCaseError> {
        act.detail = serde_json::json!({ "reason": reason }).to_string();
        Ok(self.store.append_audit(&act, Outcome::Refused).await?)
    }
}
