//! What a request costs: the rate of a key before it, its tokens during and after it.

use super::{Accounts, Authenticated};
use crate::UseCaseError;
use crate::access::rate::{Rate, Standing};
use rustygpt_db::store::{ApiKeyId, Holder, Quota, QuotaPeriod, Spending, Timestamp, UsageReport};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Tokens of a key's quota that are set aside for one request, until it is known what it took.
///
/// A request begins with none, if any are left. Once its prompt has been read, [`Accounts::extend`]
/// sets aside all that it may take, also where less than that is left; every other request is
/// refused from then on. Whatever runs at the same time, a quota is overrun by one request at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    key: ApiKeyId,
    quota: Quota,
    /// When it was made: what comes back goes to that period.
    at: Timestamp,
    tokens: u64,
    remaining: u64,
    resets_at: Timestamp,
}

/// How a key stands with its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenStanding {
    /// Tokens per period.
    pub limit: u64,
    /// How many are left beside those set aside.
    pub remaining: u64,
    /// In what time the count begins anew.
    pub resets_in: Duration,
}

impl Reservation {
    /// How its key stands at `now`.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> TokenStanding {
        TokenStanding {
            limit: self.quota.tokens,
            remaining: self.remaining,
            resets_in: self.resets_at.since(now),
        }
    }

    fn holder(&self) -> Holder {
        Holder::Key(self.key)
    }
}

fn used_up(resets_at: Timestamp, now: Timestamp) -> UseCaseError {
    UseCaseError::Busy {
        message: "The key's quota of tokens is used up.".to_owned(),
        retry_after: resets_at.since(now).max(Duration::from_secs(1)),
    }
}

fn left(look: &Spending) -> u64 {
    let (Spending::Granted { remaining, .. } | Spending::Exhausted { remaining, .. }) = look;
    *remaining
}

/// How long a request that finds nothing left waits for what others give back.
const SETTLED_WITHIN: Duration = Duration::from_secs(1);

/// What is being given back just now. Whoever asks as soon as they have their answer must not be
/// refused for what that answer did not take.
#[derive(Debug, Default)]
pub(super) struct Settling(Arc<(AtomicUsize, Notify)>);

/// Something is given back while this lives.
struct BeingSettled(Arc<(AtomicUsize, Notify)>);

impl Settling {
    fn begin(&self) -> BeingSettled {
        self.0.0.fetch_add(1, Ordering::AcqRel);
        BeingSettled(Arc::clone(&self.0))
    }

    /// Waits, not for long, until nothing is being given back; whether anything was.
    async fn ended(&self) -> bool {
        let (count, ended) = &*self.0;
        if count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let nothing_left = async {
            loop {
                let next = ended.notified();
                if count.load(Ordering::Acquire) == 0 {
                    return;
                }
                next.await;
            }
        };
        // Where there is always something, what was given back so far has to do.
        drop(tokio::time::timeout(SETTLED_WITHIN, nothing_left).await);
        true
    }
}

impl Drop for BeingSettled {
    fn drop(&mut self) {
        let (count, ended) = &*self.0;
        count.fetch_sub(1, Ordering::AcqRel);
        ended.notify_waiters();
    }
}

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

    /// Begins a request against the quota of a key, if it has one.
    ///
    /// # Errors
    /// [`UseCaseError::Busy`] when it is used up.
    pub async fn reserve(&self, who: &Authenticated) -> Result<Option<Reservation>, UseCaseError> {
        let Some(key) = &who.facts().key else {
            return Ok(None);
        };
        let standard = self.policy().tokens_per_day;
        let standard = (standard > 0).then_some(Quota {
            tokens: standard,
            period: QuotaPeriod::Day,
        });
        let Some(quota) = key.quota.or(standard) else {
            return Ok(None);
        };
        let at = self.now();
        let holder = Holder::Key(key.id);
        let mut look = self.store.spend_quota(holder, quota, 0, at).await?;
        if left(&look) == 0 && self.settling.ended().await {
            look = self.store.spend_quota(holder, quota, 0, at).await?;
        }
        match look {
            Spending::Granted {
                remaining,
                resets_at,
            } if remaining > 0 => Ok(Some(Reservation {
                key: key.id,
                quota,
                at,
                tokens: 0,
                remaining,
                resets_at,
            })),
            Spending::Granted { resets_at, .. } | Spending::Exhausted { resets_at, .. } => {
                Err(used_up(resets_at, at))
            }
        }
    }

    /// Sets aside all that a request may take: `tokens` of prompt and answer together.
    ///
    /// # Errors
    /// [`UseCaseError::Busy`] when nothing is left, because others were quicker; the reservation
    /// stays as it was.
    pub async fn extend(
        &self,
        reservation: Reservation,
        tokens: u64,
    ) -> Result<Reservation, UseCaseError> {
        let Reservation { quota, at, .. } = reservation;
        let more = tokens.saturating_sub(reservation.tokens);
        let holder = reservation.holder();
        let mut drawn = self.store.draw_quota(holder, quota, more, at).await?;
        if matches!(drawn, Spending::Exhausted { .. }) && self.settling.ended().await {
            drawn = self.store.draw_quota(holder, quota, more, at).await?;
        }
        match drawn {
            Spending::Granted { remaining, .. } => Ok(Reservation {
                tokens: reservation.tokens.saturating_add(more),
                remaining,
                ..reservation
            }),
            Spending::Exhausted { resets_at, .. } => Err(used_up(resets_at, self.now())),
        }
    }

    /// Keeps what a request took and gives back what it did not, beside the request. `tokens` are
    /// those of prompt and answer.
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
        let store = Arc::clone(&self.store);
        let settling = self.settling.begin();
        self.tasks.spawn(async move {
            let _settling = settling;
            if let Some(report) = &report
                && let Err(error) = store.record_usage(report).await
            {
                tracing::warn!(%error, "the usage of a request was not kept");
            }
            let Some(reservation) = reservation else {
                return;
            };
            let (holder, quota, at) = (reservation.holder(), reservation.quota, reservation.at);
            let settled = if used <= reservation.tokens {
                let unused = reservation.tokens - used;
                store.return_quota(holder, quota, unused, at).await
            } else {
                // A model that reads more than was thought: what is left pays for it.
                let more = used - reservation.tokens;
                let drawn = store.draw_quota(holder, quota, more, at).await;
                drawn.map(|_| ())
            };
            if let Err(error) = settled {
                tracing::warn!(%error, "a quota was not settled");
            }
        });
    }
}
