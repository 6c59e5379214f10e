//! Who is in: the credentials that requests brought lately, so that the store is asked once and
//! not with every request, and forgotten at once when access is taken away.

use crate::access::rate::Bucket;
use crate::access::{AccountId, Caller};
use rustygpt_db::store::{ApiKey, ApiKeyId, Digest, SessionId, Timestamp};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio_util::sync::CancellationToken;

/// More entries than this are looked through for those nobody uses.
const MOST_ENTRIES: usize = 16_384;

/// What a credential is looked up by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum LiveId {
    /// An API key.
    Key(Digest),
    /// A sign-in, named by an access token.
    SignIn(SessionId),
}

/// What the store says of a credential that opens.
#[derive(Clone, PartialEq)]
pub(super) struct Facts {
    /// Who it is.
    pub(super) caller: Caller,
    /// Whose it is.
    pub(super) account: AccountId,
    /// The key, if it is one.
    pub(super) key: Option<ApiKey>,
    /// The sign-in, if it is one.
    pub(super) session: Option<SessionId>,
    /// When it stops to open.
    pub(super) expires_at: Option<Timestamp>,
}

impl Facts {
    /// Whether streams that were begun under `self` may go on under `other`.
    fn allow_the_same_as(&self, other: &Self) -> bool {
        self.caller == other.caller && self.account == other.account
    }
}

/// A credential that opens, and the streams that were begun with it.
pub struct Live {
    facts: Facts,
    /// Cancelled when the credential opens no more, or opens less.
    ending: CancellationToken,
    is_fresh: AtomicBool,
    /// When its use was last noted, in milliseconds since 1970.
    noted_at: AtomicI64,
    /// The requests of its key.
    pub(super) requests: Mutex<Bucket>,
}

impl Live {
    /// Who it is.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.facts.caller
    }

    /// Resolves when whatever was begun with it must end.
    #[must_use]
    pub fn ending(&self) -> &CancellationToken {
        &self.ending
    }

    /// The sign-in it belongs to, if a person signed in.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        self.facts.session
    }

    /// The key it is, if it is one.
    #[must_use]
    pub fn key(&self) -> Option<ApiKeyId> {
        self.facts.key.as_ref().map(|key| key.id)
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether its use is to be noted at `now`; at most once a minute.
    pub(super) fn is_to_be_noted(&self, now: Timestamp) -> bool {
        let before = self.noted_at.load(Ordering::Relaxed);
        now.0.saturating_sub(before) >= 60_000
            && self
                .noted_at
                .compare_exchange(before, now.0, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Live({})", self.facts.account)
    }
}

/// All of them.
pub(super) struct LiveCredentials {
    entries: RwLock<HashMap<LiveId, Arc<Live>>>,
    /// Grows when access was taken away somewhere: what was read before is not remembered after.
    generation: AtomicU64,
    /// The store's own count of such acts, as seen last.
    revision: AtomicI64,
    ending: CancellationToken,
}

impl LiveCredentials {
    pub(super) fn new(ending: CancellationToken) -> Self {
        Self {
            entries: RwLock::default(),
            generation: AtomicU64::new(0),
            revision: AtomicI64::new(i64::MIN),
            ending,
        }
    }

    /// The credential, if it is remembered and still holds at `now`.
    pub(super) fn find(&self, id: LiveId, now: Timestamp) -> Option<Arc<Live>> {
        // A panic under the lock leaves the map whole.
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let live = entries.get(&id)?;
        let holds = live.is_fresh.load(Ordering::Acquire)
            && live.facts.expires_at.is_none_or(|end| now < end);
        holds.then(|| Arc::clone(live))
    }

    /// To be read before the store is asked, and given to [`Self::settle`].
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Remembers what the store said since `generation`. What was begun with the credential before
    /// goes on if it may still do the same, and ends otherwise. `None`: it opens no more.
    pub(super) fn settle(
        &self,
        id: LiveId,
        facts: Option<Facts>,
        generation: u64,
    ) -> Option<Arc<Live>> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let former = entries.get(&id);
        let kept = match (former, &facts) {
            (Some(former), Some(facts)) if former.facts.allow_the_same_as(facts) => {
                // Limits of a key may have changed; what is under way need not know.
                (former.facts == *facts).then(|| Arc::clone(former))
            }
            (Some(former), _) => {
                former.ending.cancel();
                entries.remove(&id);
                None
            }
            (None, _) => None,
        };
        let facts = facts?;
        let live = kept.unwrap_or_else(|| {
            let former = entries.get(&id);
            Arc::new(Live {
                facts,
                ending: former.map_or_else(|| self.ending.child_token(), |f| f.ending.clone()),
                is_fresh: AtomicBool::new(false),
                noted_at: AtomicI64::new(0),
                requests: Mutex::default(),
            })
        });
        if entries.len() >= MOST_ENTRIES {
            entries.retain(|_, live| Arc::strong_count(live) > 1);
        }
        if entries.len() < MOST_ENTRIES {
            entries.insert(id, Arc::clone(&live));
        }
        // Someone took access away while the store was being asked: good for this once only.
        let is_fresh = self.generation() == generation;
        live.is_fresh.store(is_fresh, Ordering::Release);
        Some(live)
    }

    /// Trusts nothing any more until the store has been asked anew; who is to be asked about.
    pub(super) fn distrust(&self) -> Vec<LiveId> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::AcqRel);
        // Nobody is in with these; the next request asks the store.
        entries.retain(|_, live| Arc::strong_count(live) > 1);
        for live in entries.values() {
            live.is_fresh.store(false, Ordering::Release);
        }
        entries.keys().copied().collect()
    }

    /// Has the store's count taken as moved when it is seen next.
    pub(super) fn look_again(&self) {
        self.revision.store(i64::MIN + 1, Ordering::Release);
    }

    /// Whether the store's count has moved since it was last seen.
    pub(super) fn has_moved(&self, revision: i64) -> bool {
        let before = self.revision.swap(revision, Ordering::AcqRel);
        before != revision && before != i64::MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Role;

    const ID: LiveId = LiveId::SignIn(SessionId(uuid::Uuid::from_u128(1)));
    const ADA: AccountId = AccountId(uuid::Uuid::from_u128(2));
    const NOW: Timestamp = Timestamp(1_000);

    fn facts(role: Role) -> Option<Facts> {
        Some(Facts {
            caller: Caller::person(ADA, role),
            account: ADA,
            key: None,
            session: None,
            expires_at: Some(Timestamp(2_000)),
        })
    }

    #[test]
    fn what_is_remembered_is_forgotten_at_once_and_streams_end_when_it_opens_less() {
        let all = LiveCredentials::new(CancellationToken::new());
        let admin = all
            .settle(ID, facts(Role::Admin), all.generation())
            .unwrap();
        assert!(all.find(ID, NOW).is_some());
        assert!(all.find(ID, Timestamp(2_000)).is_none(), "it has expired");
        assert!(matches!(all.distrust()[..], [ID]));
        assert!(all.find(ID, NOW).is_none(), "the store must be asked");
        let same = all
            .settle(ID, facts(Role::Admin), all.generation())
            .unwrap();
        assert!(Arc::ptr_eq(&admin, &same) && !admin.ending().is_cancelled());
        all.distrust();
        let user = all.settle(ID, facts(Role::User), all.generation()).unwrap();
        assert!(admin.ending().is_cancelled(), "an admin's stream ends");
        assert!(!user.ending().is_cancelled());
        all.distrust();
        assert!(all.settle(ID, None, all.generation()).is_none());
        assert!(user.ending().is_cancelled());
    }

    #[test]
    fn an_answer_read_before_a_revocation_is_not_remembered_after_it() {
        let all = LiveCredentials::new(CancellationToken::new());
        let generation = all.generation();
        all.distrust();
        let live = all.settle(ID, facts(Role::User), generation);
        assert!(live.is_some() && all.find(ID, NOW).is_none());
    }

    #[test]
    fn what_nobody_uses_is_dropped_rather_than_asked_about() {
        let all = LiveCredentials::new(CancellationToken::new());
        drop(all.settle(ID, facts(Role::User), all.generation()));
        assert!(all.distrust().is_empty());
    }

    #[test]
    fn the_end_of_the_server_ends_everyones_streams() {
        let ending = CancellationToken::new();
        let all = LiveCredentials::new(ending.clone());
        let live = all.settle(ID, facts(Role::User), all.generation()).unwrap();
        ending.cancel();
        assert!(live.ending().is_cancelled());
    }
}
