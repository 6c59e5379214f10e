//! The way in for who sits at the machine: the first owner's code, and the code that opens the web
//! page.

use super::sign_up::Applicant;
use super::{Accounts, OneTimeCode, SignedIn, Whence};
use crate::UseCaseError;
use crate::access::{AccountId, Action, Caller, Role, Thing, authorize};
use rustygpt_db::store::{CodePurpose, Digest, NewAccount, NewCode, Page, Principal};
use std::time::Duration;

/// How long the first owner's code opens; the next start of the server makes a new one.
const OWNER_CODE_LASTS: Duration = Duration::from_secs(24 * 3600);
/// How long a code that opens the web page opens.
const OPEN_CODE_LASTS: Duration = Duration::from_secs(60);

impl Accounts {
    /// A code that makes its holder the first administrator; `None` when there is one. An earlier
    /// code opens no more.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`] for anyone but the local owner.
    pub async fn offer_ownership(
        &self,
        caller: &Caller,
    ) -> Result<Option<OneTimeCode>, UseCaseError> {
        authorize(caller, Action::Administer, Thing::Accounts)?;
        if self.first_admin().await?.is_some() {
            return Ok(None);
        }
        let code = OneTimeCode::generate()?;
        self.keep_code(
            &code,
            CodePurpose::Owner,
            None,
            OWNER_CODE_LASTS,
            "owner.offer",
        )
        .await?;
        Ok(Some(code))
    }

    /// Makes the first administrator of whoever has the code, and lets them in.
    ///
    /// # Errors
    /// [`UseCaseError::Invalid`] for a wrong code, address or password; [`UseCaseError::Conflict`]
    /// when there is an owner already.
    pub async fn become_owner(
        &self,
        code: &str,
        applicant: Applicant,
        whence: &Whence,
    ) -> Result<SignedIn, UseCaseError> {
        let code = OneTimeCode::read(code).ok_or_else(invalid_code)?;
        let applicant = applicant.check()?;
        let account = NewAccount {
            id: AccountId(self.new_id()?),
            email: applicant.email.as_str().to_owned(),
            is_email_verified: false,
            name: applicant.name,
            role: Role::Admin,
            password_hash: Some(self.passwords.hash(applicant.password).await?),
        };
        let object = format_args!("account:{}", account.id).to_string();
        let act = self.act(Principal::Server, whence, "owner.create", object);
        let digest = Digest(code.digest().to_bytes());
        let account = self.store.create_owner(&account, digest, &act).await?;
        self.start_session(account, whence, "session.sign_in").await
    }

    /// A code that lets the first administrator into the web page for a minute, minted by who sits
    /// at the machine; `None` while there is no administrator.
    ///
    /// # Errors
    /// [`UseCaseError::Denied`] for anyone but the local owner.
    pub async fn offer_page(&self, caller: &Caller) -> Result<Option<OneTimeCode>, UseCaseError> {
        authorize(caller, Action::Administer, Thing::Accounts)?;
        let Some(owner) = self.first_admin().await? else {
            return Ok(None);
        };
        let code = OneTimeCode::generate()?;
        let purpose = CodePurpose::Open;
        self.keep_code(&code, purpose, Some(owner), OPEN_CODE_LASTS, "page.offer")
            .await?;
        Ok(Some(code))
    }

    /// Lets in who has the code that [`Self::offer_page`] made.
    ///
    /// # Errors
    /// [`UseCaseError::SignInRefused`] for a code that opens nothing, or not any more.
    pub async fn enter_by_code(
        &self,
        code: &str,
        whence: &Whence,
    ) -> Result<SignedIn, UseCaseError> {
        let code = OneTimeCode::read(code).ok_or(UseCaseError::SignInRefused)?;
        let act = self.act(Principal::Server, whence, "page.enter", "code");
        let digest = Digest(code.digest().to_bytes());
        let spent = self
            .store
            .spend_code(digest, CodePurpose::Open, None, &act)
            .await?;
        let account = spent.and_then(|spent| spent.account);
        let account = self
            .active_account(account.ok_or(UseCaseError::SignInRefused)?)
            .await?;
        self.start_session(account, whence, "session.sign_in").await
    }

    /// The administrator who was first.
    async fn first_admin(&self) -> Result<Option<AccountId>, UseCaseError> {
        let mut page = Page::FIRST;
        loop {
            let accounts = self.store.accounts(Principal::Server, page).await?;
            let is_admin = |account: &&super::Account| {
                account.role == Role::Admin && account.state == super::AccountState::Active
            };
            if let Some(admin) = accounts.iter().find(is_admin) {
                return Ok(Some(admin.id));
            }
            let read = u32::try_from(accounts.len()).unwrap_or(u32::MAX);
            if read < page.limit {
                return Ok(None);
            }
            page.offset = page.offset.saturating_add(read);
        }
    }

    pub(super) async fn keep_code(
        &self,
        code: &OneTimeCode,
        purpose: CodePurpose,
        account: Option<AccountId>,
        lasts: Duration,
        action: &str,
    ) -> Result<(), UseCaseError> {
        let whence = Whence::default();
        self.keep_code_as(
            Principal::Server,
            code,
            purpose,
            account,
            lasts,
            action,
            &whence,
        )
        .await
    }

    #[expect(clippy::too_many_arguments, reason = "each is a column of one row")]
    pub(super) async fn keep_code_as(
        &self,
        by: Principal,
        code: &OneTimeCode,
        purpose: CodePurpose,
        account: Option<AccountId>,
        lasts: Duration,
        action: &str,
        whence: &Whence,
    ) -> Result<(), UseCaseError> {
        let object = account.map_or_else(|| "code".to_owned(), |id| format!("account:{id}"));
        let act = self.act(by, whence, action, object);
        let code = NewCode {
            digest: Digest(code.digest().to_bytes()),
            purpose,
            account,
            payload: Vec::new(),
            expires_at: act.at.plus(lasts),
        };
        Ok(self.store.issue_code(&code, &act).await?)
    }
}

pub(super) fn invalid_code() -> UseCaseError {
    UseCaseError::invalid("code", "The code is not valid, or not any more.")
}
