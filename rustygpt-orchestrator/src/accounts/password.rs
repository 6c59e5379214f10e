//! Passwords: argon2id, at most four computed at once.
//!
//! A hash is meant to be slow and to take much memory, so whoever may start as many as they like
//! can exhaust the machine: there are [`PLACES`] places and a bounded queue before them.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rustygpt_utils::random::{self, NoRandomness};
use rustygpt_utils::tasks::Tasks;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

/// Hashes computed at once.
pub(super) const PLACES: usize = 4;
/// Hashes that may wait for a place. More are refused: their clients would have gone before.
const QUEUE: usize = 256;
/// Bytes of a hash and of a salt.
const HASH_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
/// Fewest and most characters of a password. There are no rules about kinds of characters: they
/// make passwords worse (NIST SP 800-63B, 5.1.1.2).
const CHARACTERS: (usize, usize) = (10, 256);

/// A password in the clear, on its way to be hashed. Never shown, never logged.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// A password that somebody typed to be let in; it may be anything.
    #[must_use]
    pub fn presented(text: String) -> Self {
        Self(text)
    }

    /// A password that is to be kept.
    ///
    /// # Errors
    /// [`WeakPassword`] when it is too short, too long or the address itself.
    pub fn chosen(text: String, email: &str) -> Result<Self, WeakPassword> {
        let characters = text.chars().count();
        if characters < CHARACTERS.0 {
            return Err(WeakPassword::TooShort);
        }
        if characters > CHARACTERS.1 {
            return Err(WeakPassword::TooLong);
        }
        if text.eq_ignore_ascii_case(email) {
            return Err(WeakPassword::SameAsEmail);
        }
        Ok(Self(text))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(…)")
    }
}

/// Why a password cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Too few characters.
    #[error("The password must have at least {} characters.", CHARACTERS.0)]
    TooShort,
    /// Too many characters.
    #[error("The password must have at most {} characters.", CHARACTERS.1)]
    TooLong,
    /// The address is the first guess.
    #[error("The password must not be the e-mail address.")]
    SameAsEmail,
}

/// What a hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes that could be computed in parallel.
    pub lanes: u32,
}

impl Cost {
    /// What OWASP's Password Storage Cheat Sheet asks for: 19 MiB, two passes, one lane.
    pub const OWASP: Self = Self {
        memory_kib: 19_456,
        passes: 2,
        lanes: 1,
    };

    fn parameters(self) -> Result<Params, PasswordError> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(HASH_BYTES))
            .map_err(|error| PasswordError::Failed(error.to_string()))
    }
}

/// Whether a password was the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was not, or there is no such account.
    Wrong,
    /// It was.
    Right,
    /// It was, and its hash was made with other parameters than today's: it should be made anew.
    RightButOutdated,
}

/// Why no answer could be given.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too many wait already.
    #[error("too many sign-ins at once; try again soon")]
    Busy,
    /// No salt could be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The hash could not be computed.
    #[error("the password could not be hashed: {0}")]
    Failed(String),
}

/// Hashes and checks passwords. Clones share the places.
#[derive(Clone)]
pub struct Passwords {
    cost: Cost,
    /// Looks like a hash and belongs to no password: unknown accounts are checked against it, so
    /// that they take as long as known ones.
    decoy: Arc<Stored>,
    places: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    memory: Memory,
    tasks: Tasks,
}

impl Passwords {
    /// A place where passwords are hashed, on the blocking threads of `tasks`.
    ///
    /// # Errors
    /// [`NoRandomness`] when the operating system has none to give.
    pub fn new(cost: Cost, tasks: Tasks) -> Result<Self, NoRandomness> {
        let decoy = Stored {
            cost,
            salt: random::bytes::<SALT_BYTES>()?.to_vec(),
            hash: random::bytes()?,
        };
        Ok(Self {
            cost,
            decoy: Arc::new(decoy),
            places: Arc::new(Semaphore::new(PLACES)),
            queue: Arc::new(Semaphore::new(PLACES + QUEUE)),
            memory: Memory::default(),
            tasks,
        })
    }

    /// The text to keep of a password, in the PHC string format.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash(&self, password: Password) -> Result<String, PasswordError> {
        let cost = self.cost;
        let salt = random::bytes::<SALT_BYTES>()?.to_vec();
        let memory = self.memory.clone();
        self.compute(move || {
            let hash = memory.compute(cost, &salt, &password)?;
            Ok(Stored { cost, salt, hash }.write())
        })
        .await
    }

    /// Whether `password` is the one `stored` was made from. `None`, for an account that is not
    /// there or has no password, and a text that is no hash take as long and are `Verdict::Wrong`.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn check(
        &self,
        password: Password,
        stored: Option<&str>,
    ) -> Result<Verdict, PasswordError> {
        let stored = stored.and_then(Stored::read).map(Arc::new);
        let is_known = stored.is_some();
        let stored = stored.unwrap_or_else(|| Arc::clone(&self.decoy));
        let today = self.cost;
        let memory = self.memory.clone();
        self.compute(move || {
            let hash = if stored.cost == today {
                memory.compute(today, &stored.salt, &password)?
            } else {
                // Sizes of other times are seldom, and not kept.
                Memory::default().compute(stored.cost, &stored.salt, &password)?
            };
            let is_equal = bool::from(hash.ct_eq(&stored.hash));
            Ok(match (is_equal && is_known, stored.cost == today) {
                (false, _) => Verdict::Wrong,
                (true, true) => Verdict::Right,
                (true, false) => Verdict::RightButOutdated,
            })
        })
        .await
    }

    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let waiting = Arc::clone(&self.queue);
        let waiting = waiting
            .try_acquire_owned()
            .map_err(|_| PasswordError::Busy)?;
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|_| PasswordError::Busy)?;
        // The place goes along: a client that leaves does not make room for another hash while its
        // own is still being computed.
        let work = self.tasks.spawn_blocking(move || {
            let outcome = work();
            drop((place, waiting));
            outcome
        });
        work.await
            .map_err(|error| PasswordError::Failed(error.to_string()))?
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Passwords")
            .field("cost", &self.cost)
            .finish_non_exhaustive()
    }
}

/// What hashes are computed in, one after the other: as many pieces as were in use at once, so at
/// most [`PLACES`]. They are kept, because an allocator with an arena for each thread keeps what is
/// given back too, but once for every thread that ever hashed: floods of sign-ins left hundreds of
/// MiB behind. Clones share the pieces.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<Vec<Block>>>>);

impl Memory {
    fn compute(
        &self,
        cost: Cost,
        salt: &[u8],
        password: &Password,
    ) -> Result<[u8; HASH_BYTES], PasswordError> {
        let parameters = cost.parameters()?;
        // A panic under the lock leaves the pieces whole.
        let pieces = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut piece = pieces().pop().unwrap_or_default();
        piece.resize(parameters.block_count(), Block::new());
        let mut hash = [0; HASH_BYTES];
        let outcome = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
            .hash_password_into_with_memory(password.0.as_bytes(), salt, &mut hash, &mut piece)
            .map_err(|error| PasswordError::Failed(error.to_string()));
        // Nobody finds in it later what would make guessing cheap.
        piece.fill(Block::new());
        pieces().push(piece);
        outcome.map(|()| hash)
    }
}

/// A kept hash: `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`.
struct Stored {
    cost: Cost,
    salt: Vec<u8>,
    hash: [u8; HASH_BYTES],
}

impl Stored {
    fn write(&self) -> String {
        let Cost {
            memory_kib,
            passes,
            lanes,
        } = self.cost;
        let salt = STANDARD_NO_PAD.encode(&self.salt);
        let hash = STANDARD_NO_PAD.encode(self.hash);
        format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}")
    }

    fn read(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("$argon2id$v=19$")?;
        let (costs, rest) = rest.split_once('$')?;
        let (salt, hash) = rest.split_once('$')?;
        let mut costs = costs.split(',');
        let mut next = |name: &str| costs.next()?.strip_prefix(name)?.parse::<u32>().ok();
        let cost = Cost {
            memory_kib: next("m=")?,
            passes: next("t=")?,
            lanes: next("p=")?,
        };
        Some(Self {
            cost,
            salt: STANDARD_NO_PAD.decode(salt).ok()?,
            hash: STANDARD_NO_PAD.decode(hash).ok()?.try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };

    fn passwords(cost: Cost) -> Passwords {
        Passwords::new(cost, Tasks::new()).unwrap()
    }

    fn typed(text: &str) -> Password {
        Password::presented(text.to_owned())
    }

    #[tokio::test]
    async fn only_the_password_itself_is_right() {
        let passwords = passwords(CHEAP);
        let kept = passwords.hash(typed("correct horse")).await.unwrap();
        let other = passwords.hash(typed("correct horse")).await.unwrap();
        assert_ne!(kept, other, "every hash has a salt of its own");
        let verdict = passwords.check(typed("correct horse"), Some(&kept));
        assert_eq!(verdict.await.unwrap(), Verdict::Right);
        for wrong in ["", "correct hors", "correct horse ", "Correct horse"] {
            let verdict = passwords.check(typed(wrong), Some(&kept)).await.unwrap();
            assert_eq!(verdict, Verdict::Wrong, "{wrong:?}");
        }
        for stored in [
            None,
            Some(""),
            Some("$argon2id$v=19$m=8,t=1,p=1$$"),
            Some("x"),
        ] {
            let verdict = passwords.check(typed("correct horse"), stored).await;
            assert_eq!(verdict.unwrap(), Verdict::Wrong, "{stored:?}");
        }
    }

    #[tokio::test]
    async fn a_hash_of_other_parameters_is_right_and_outdated() {
        let kept = passwords(CHEAP).hash(typed("correct horse")).await.unwrap();
        let today = passwords(Cost { passes: 2, ..CHEAP });
        let verdict = today.check(typed("correct horse"), Some(&kept)).await;
        assert_eq!(verdict.unwrap(), Verdict::RightButOutdated);
        let verdict = today.check(typed("wrong"), Some(&kept)).await;
        assert_eq!(verdict.unwrap(), Verdict::Wrong);
    }

    /// A hash of the reference implementation (`argon2` of Debian) is understood.
    #[tokio::test]
    async fn the_reference_implementation_agrees() {
        let kept =
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let verdict = passwords(CHEAP).check(typed("password"), Some(kept)).await;
        assert_eq!(verdict.unwrap(), Verdict::RightButOutdated);
    }

    #[tokio::test]
    async fn a_flood_waits_and_an_endless_one_is_refused() {
        let passwords = passwords(CHEAP);
        // All places taken: nothing is computed, so that the queue can be seen.
        let places = passwords.places.acquire_many(PLACES as u32).await.unwrap();
        let flood = (0..PLACES + QUEUE + 5).map(|_| passwords.check(typed("x"), None));
        let flood = futures::future::join_all(flood);
        tokio::pin!(flood);
        assert!(futures::poll!(&mut flood).is_pending());
        assert_eq!(passwords.queue.available_permits(), 0);
        drop(places);
        let verdicts = flood.await;
        let refused = verdicts.iter().filter(|verdict| verdict.is_err()).count();
        assert_eq!(refused, 5, "those beyond the queue were refused at once");
    }

    // Seen to fail with the pieces not given back.
    #[tokio::test]
    async fn a_flood_takes_memory_for_as_many_as_are_hashed_at_once() {
        let passwords = passwords(CHEAP);
        for _ in 0..2 {
            let flood = (0..100).map(|_| passwords.check(typed("x"), None));
            futures::future::join_all(flood).await;
            let pieces = passwords.memory.0.lock().unwrap();
            assert!((1..=PLACES).contains(&pieces.len()), "{}", pieces.len());
            let is_blank = |block: &Block| block.as_ref().iter().all(|word| *word == 0);
            assert!(pieces.iter().flatten().all(is_blank));
        }
    }

    #[test]
    fn a_chosen_password_is_long_enough_and_not_the_address() {
        let chosen = |text: &str| Password::chosen(text.to_owned(), "ada@example.org").map(|_| ());
        assert_eq!(chosen("123456789"), Err(WeakPassword::TooShort));
        assert_eq!(chosen("äöüßäöüßäö"), Ok(()), "characters count, not bytes");
        assert_eq!(chosen(&"x".repeat(257)), Err(WeakPassword::TooLong));
        assert_eq!(chosen("Ada@Example.org"), Err(WeakPassword::SameAsEmail));
        assert_eq!(format!("{:?}", typed("hunter2")), "Password(…)");
    }
}
