//! Coming back from an issuer.

use super::Vouched;
use super::flow::{Errand, Flow};
use super::issuer::Issuer;
use crate::UseCaseError;
use crate::access::{AccountId, Role};
use crate::accounts::sign_up::checked_name;
use crate::accounts::{Account, AccountState, Accounts, Email, SignUp, Whence};
use rustygpt_db::store::{
    CodePurpose, Conflict, Digest, Identity, NewAccount, Principal, SessionId, StoreError,
};
use std::fmt;
use subtle::ConstantTimeEq;

const ACTION: &str = "elsewhere.return";
/// Longer texts were not made by us, nor by any issuer.
const LONGEST_STATE: usize = 128;
const LONGEST_CODE: usize = 4096;

/// What an issuer sends along (RFC 6749, section 4.1.2).
#[derive(Clone, Default)]
pub struct Answer {
    /// What we gave along.
    pub state: Option<String>,
    /// What is exchanged for tokens.
    pub code: Option<String>,
    /// Why there is none.
    pub error: Option<String>,
    /// Who answers (RFC 9207).
    pub issuer: Option<String>,
    /// What to call somebody, where the issuer tells it here and nowhere else.
    pub name: Option<String>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Answer(…)")
    }
}

/// Somebody who comes back.
#[derive(Debug)]
pub struct Returning<'a> {
    /// The id of the issuer they come from.
    pub issuer: &'a str,
    /// What their browser kept.
    pub browser: Option<&'a str>,
    /// What the issuer sent along.
    pub answer: Answer,
    /// Whether another site's page posted it.
    pub is_posted: bool,
}

/// Where somebody has arrived.
pub enum Arrival {
    /// They have proved who they are. Whoever shows this ticket to
    /// [`finish`](Accounts::finish) is let in.
    Vouched {
        /// For their browser alone.
        ticket: String,
    },
    /// Their account is linked.
    Linked,
}

impl fmt::Debug for Arrival {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Vouched { .. } => "Vouched(…)",
            Self::Linked => "Linked",
        })
    }
}

impl Accounts {
    /// Takes in who comes back from an issuer: finds the account of their identity, makes one
    /// where the policy allows it, or links the identity to the account that set out for that.
    ///
    /// # Errors
    /// [`UseCaseError::SignInLost`] for a return that this browser did not set out for;
    /// [`UseCaseError::IssuerRefused`]; [`UseCaseError::IdentityRefused`];
    /// [`UseCaseError::IssuerUnavailable`]; [`UseCaseError::SignUpClosed`];
    /// [`UseCaseError::EmailUnverified`]; [`UseCaseError::Conflict`] where the e-mail address or
    /// the identity is another account's; [`UseCaseError::SignInRefused`] for a disabled account.
    pub async fn come_back(
        &self,
        returning: Returning<'_>,
        whence: &Whence,
    ) -> Result<Arrival, UseCaseError> {
        let issuer = self.issuers.find(returning.issuer)?;
        let flow = self.take_flow(issuer, &returning, whence).await?;
        let Answer {
            code,
            error,
            issuer: named,
            name,
            ..
        } = returning.answer;
        let refuse = |reason: &'static str| {
            let act = self.issuer_act(Principal::Server, whence, ACTION, &issuer.id);
            self.note_refusal(act, reason)
        };
        if error.is_some() {
            refuse("error").await?;
            return Err(UseCaseError::IssuerRefused);
        }
        let Some(code) = code.filter(|code| (1..=LONGEST_CODE).contains(&code.len())) else {
            refuse("no code").await?;
            return Err(UseCaseError::IdentityRefused);
        };
        let now = self.clock.since_epoch();
        let mut vouched = match issuer.vouch(code, named.as_deref(), &flow, now).await {
            Ok(vouched) => vouched,
            Err(error) => {
                refuse(error.reason()).await?;
                return Err(error.into());
            }
        };
        if vouched.name.is_empty() {
            vouched.name = name.unwrap_or_default();
        }
        let arrived = match flow.errand {
            Errand::SignIn { invitation } => {
                self.open_account(&issuer.id, vouched, invitation.map(Digest), whence)
                    .await
            }
            Errand::Link { account, session } => {
                let (account, session) = (AccountId(account), SessionId(session));
                self.link(account, session, vouched, whence).await
            }
        };
        if let Err(error) = &arrived {
            refuse(reason(error)).await?;
        }
        arrived
    }

    /// Spends what was kept for this return, if it is the one of this browser and this issuer.
    async fn take_flow(
        &self,
        issuer: &Issuer,
        returning: &Returning<'_>,
        whence: &Whence,
    ) -> Result<Flow, UseCaseError> {
        let act = self.issuer_act(Principal::Server, whence, ACTION, &issuer.id);
        let state = returning.answer.state.as_deref().unwrap_or_default();
        if !(1..=LONGEST_STATE).contains(&state.len()) {
            self.note_refusal(act, "no state").await?;
            return Err(UseCaseError::SignInLost);
        }
        // Spent before anything is compared: whoever tries has one try.
        let purpose = CodePurpose::OauthState;
        let spent = self
            .store
            .spend_code(Digest::of(state), purpose, None, &act)
            .await?;
        let flow = spent.and_then(|spent| self.open_flow(&spent.payload));
        let flow = flow.ok_or(UseCaseError::SignInLost)?;
        let browser = Digest::of(returning.browser.unwrap_or_default()).0;
        let flaw = if !bool::from(browser.ct_eq(&flow.browser)) {
            "another browser"
        } else if flow.issuer != issuer.id {
            "another issuer"
        } else if returning.is_posted != issuer.posts_from.is_some() {
            "another way"
        } else {
            return Ok(flow);
        };
        self.note_refusal(act, flaw).await?;
        Err(UseCaseError::SignInLost)
    }

    /// The way in for who somebody is elsewhere: to the account of that identity, or to a new one.
    async fn open_account(
        &self,
        issuer: &str,
        vouched: Vouched,
        invitation: Option<Digest>,
        whence: &Whence,
    ) -> Result<Arrival, UseCaseError> {
        let (name, subject) = (vouched.issuer.clone(), vouched.subject.clone());
        let find = || self.store.account_by_identity(&name, &subject);
        let account = match find().await? {
            Some(account) => account,
            None => {
                let made = self.make_account(issuer, vouched, invitation, whence);
                match made.await {
                    // Whoever comes twice at once for the first time has an account by now, and
                    // has spent the invitation.
                    Err(error @ (UseCaseError::Conflict(_) | UseCaseError::Invalid { .. })) => {
                        find().await?.ok_or(error)?
                    }
                    made => made?,
                }
            }
        };
        if account.state != AccountState::Active {
            return Err(UseCaseError::SignInRefused);
        }
        let ticket = self.issue_ticket(account.id, whence).await?;
        Ok(Arrival::Vouched { ticket })
    }

    async fn make_account(
        &self,
        issuer: &str,
        vouched: Vouched,
        invitation: Option<Digest>,
        whence: &Whence,
    ) -> Result<Account, UseCaseError> {
        let invitation = match self.policy().sign_up {
            SignUp::Closed => return Err(UseCaseError::SignUpClosed),
            SignUp::Invite => Some(invitation.ok_or(UseCaseError::SignUpClosed)?),
            SignUp::Open => invitation,
        };
        let email = vouched.email.as_deref().map(Email::read);
        let Some(Ok(email)) = email.filter(|_| vouched.is_email_verified) else {
            return Err(UseCaseError::EmailUnverified);
        };
        // What somebody is called elsewhere may be no name here; it never keeps them out.
        let name = checked_name(&vouched.name, &email).or_else(|_| checked_name("", &email))?;
        let account = NewAccount {
            id: AccountId(self.new_id()?),
            email: email.as_str().to_owned(),
            is_email_verified: true,
            name,
            role: Role::User,
            password_hash: None,
        };
        let object = format_args!("account:{}", account.id).to_string();
        let mut act = self.act(Principal::Server, whence, "account.sign_up", object);
        act.detail = serde_json::json!({ "issuer": issuer }).to_string();
        let identity = Identity {
            issuer: vouched.issuer,
            subject: vouched.subject,
            account: account.id,
            email: Some(account.email.clone()),
            linked_at: act.at,
        };
        let made = self
            .store
            .create_account_with_identity(&account, &identity, invitation, &act);
        made.await.map_err(|error| match error {
            // Whose it is was proved elsewhere, not here: nothing is linked by an address.
            StoreError::Conflict(Conflict::EmailTaken) => UseCaseError::Conflict(
                "There is an account with your e-mail address. Sign in to it as usual, then link \
                 this identity in your account."
                    .to_owned(),
            ),
            other => other.into(),
        })
    }

    /// Links who somebody is elsewhere to the account that set out for it, if that is still in.
    async fn link(
        &self,
        account: AccountId,
        session: SessionId,
        vouched: Vouched,
        whence: &Whence,
    ) -> Result<Arrival, UseCaseError> {
        let live = self
            .store
            .live_session(Principal::Server, session, self.now())
            .await?;
        if live.is_none_or(|live| live.account != account) {
            return Err(UseCaseError::SignedOut);
        }
        self.active_account(account).await?;
        let by = Principal::Account(account);
        let act = self.act(
            by,
            whence,
            "identity.link",
            format_args!("account:{account}"),
        );
        let identity = Identity {
            issuer: vouched.issuer,
            subject: vouched.subject,
            account,
            email: vouched.email.filter(|_| vouched.is_email_verified),
            linked_at: act.at,
        };
        self.store.link_identity(&identity, &act).await?;
        Ok(Arrival::Linked)
    }
}

/// Why somebody who is known was refused, in a word for the log.
fn reason(error: &UseCaseError) -> &'static str {
    match error {
        UseCaseError::SignUpClosed => "sign-up",
        UseCaseError::EmailUnverified => "e-mail address",
        UseCaseError::SignInRefused => "disabled",
        UseCaseError::SignedOut => "signed out",
        UseCaseError::Conflict(_) => "taken",
        UseCaseError::Invalid { .. } => "invitation",
        _ => "store",
    }
}
