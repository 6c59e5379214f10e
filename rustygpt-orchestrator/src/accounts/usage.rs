//! What a request costs: the rate of a key before it, its tokens after it.

use super::{Accounts, Authenticated};
use crate::UseCaseError;
use crate::access::rate::{Rate, Standing};
use rustygpt_db::store::{Holder, Quota, Spending, Timestamp, UsageReport};
use std::sync::PoisonError;
use std::time::Duration;

/// A place in a key's quota, taken before a request is answered. What the answer takes is known
/// only afterwards, so that a key may overrun its quota by what it asks at the same time.
#[derive(Clone, Copy, Debug)]
pub struct Reservation {
    quota: Quota,
    at: Timestamp,
}

/// Tokens that a reservation stands for.
const RESERVED: u64 = 1;

impl Accounts {
    /// How a key stands with its requests per minute, after this one; `None` for those who have no
    /// rate.
    #[must_use]
    pub fn take_request(&self, who: &Authenticated) -> Option<Standing> {
        let own = who.facts().key.as_ref()?.requests_per_minute;
        let standard = self.policy().requests_per_minute;
        let rate = own.or((standard > 0).then_some(standard))?;
        let now = self.clock.since_epoch();
        let mut bucket = who.requests.lock().unwrap_or_else(PoisonError::into_inner);
        Some(bucket.take(Rate::per_minute(rate), 1, now))
    }

    /// Takes a place in the quota of a key, if it has one.
    ///
    /// # Errors
    /// [`UseCaseError::Busy`] when it is used up.
    pub async fn reserve(&self, who: &Authenticated) -> Result<Option<Reservation>, UseCaseError> {
        let Some(key) = &who.facts().key else {
            return Ok(None);
        };
        let Some(quota) = key.quota else {
            return Ok(None);
        };
        let at = self.now();
        let holder = Holder::Key(key.id);
        match self.store.spend_quota(holder, quota, RESERVED, at).await? {
            Spending::Granted { .. } => Ok(Some(Reservation { quota, at })),
            Spending::Exhausted { resets_at, .. } => Err(UseCaseError::Busy {
                message: "The key's quota of tokens is used up.".to_owned(),
                retry_after: resets_at.since(at).max(Duration::from_secs(1)),
            }),
        }
    }

    /// Keeps what a request took, beside the request. `tokens` are those of prompt and answer.
    pub fn record_usage(
        &self,
        who: &Authenticated,
        reservation: Option<Reservation>,
        model: Option<&str>,
        tokens: (u64, u64),
    ) {
        let facts = who.facts();
        let (prompt_tokens, completion_tokens) = tokens;
        let used = prompt_tokens.saturating_add(completion_tokens);
        let report = model.filter(|_| used > 0).map(|model| UsageReport {
            account: facts.account,
            key: who.key(),
            model: model.to_owned(),
            at: self.now(),
            prompt_tokens,
            cached_tokens: 0,
            completion_tokens,
        });
        if report.is_none() && reservation.is_none() {
            return;
        }
        let store = std::sync::Arc::clone(&self.store);
        let key = who.key();
        self.tasks.spawn(async move {
            if let Some(report) = &report
                && let Err(error) = store.record_usage(report).await
            {
                tracing::warn!(%error, "the usage of a request was not kept");
            }
            let (Some(key), Some(Reservation { quota, at })) = (key, reservation) else {
                return;
            };
            let holder = Holder::Key(key);
            let spent = if used < RESERVED {
                store.return_quota(holder, quota, RESERVED - used, at).await
            } else {
                match store.spend_quota(holder, quota, used - RESERVED, at).await {
                    // What is left is less than what was taken: then nothing is left.
                    Ok(Spending::Exhausted { remaining, .. }) => store
                        .spend_quota(holder, quota, remaining, at)
                        .await
                        .map(|_| ()),
                    other => other.map(|_| ()),
                }
            };
            if let Err(error) = spent {
                tracing::warn!(%error, "a quota was not charged");
            }
        });
    }
}
