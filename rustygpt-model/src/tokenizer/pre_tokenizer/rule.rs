//! The alternatives of a split pattern, each matched in linear time without a regex engine.
//!
//! A pre-tokenizer's pattern is an ordered choice. Every choice that known tokenizers use is one of
//! the shapes below, so that no text can make the split backtrack. The tests hold each shape equal
//! to its regular expression.

use super::super::character::{Cell, category};
use super::set::Set;

/// One alternative of a pattern.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// `'s|'t|'re|'ve|'m|'ll|'d`, in any case if `any_case`.
    Contraction { any_case: bool },
    /// `lead? body{least,limit} tail{0,tail_limit} contraction?`
    Run(Run),
    /// `upper* lower+ | upper+ lower*` behind an optional lead: words by case, where characters
    /// of no ASCII case are both.
    CasedWord { body: Set, contraction: bool },
    /// `lead? (L M* (' ' L M*)*)+`: words that go on over single spaces.
    SpacedWords,
    /// `\s*[\r\n]+`
    Newlines,
    /// `\s+(?!\S)`
    SpacesBeforeSpace,
    /// `\s{512}(?!\S)|\s{256}(?!\S)|…|\s{4}(?!\S)|\s{1,2}(?!\S)|\s`
    SpaceCascade,
    /// `\s+$`
    SpacesAtEnd,
    /// Exactly this ASCII text.
    Literal(&'static [u8]),
    /// `<sentinel:[0-9]+>`
    Sentinel,
    /// `IMGIMG[A-I]{1,4}Z`
    ImageName,
}

/// See [`Rule::Run`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    lead: Option<Set>,
    lead_required: bool,
    body: Set,
    least: usize,
    limit: usize,
    tail: Option<Set>,
    tail_limit: usize,
    contraction: bool,
}

impl Run {
    /// `body+`
    pub(super) const fn of(body: Set) -> Self {
        Self {
            lead: None,
            lead_required: false,
            body,
            least: 1,
            limit: usize::MAX,
            tail: None,
            tail_limit: usize::MAX,
            contraction: false,
        }
    }

    /// With `lead?` in front.
    pub(super) const fn lead(mut self, lead: Set) -> Self {
        self.lead = Some(lead);
        self
    }

    /// With exactly one character of `lead` in front.
    pub(super) const fn after(mut self, lead: Set) -> Self {
        self.lead = Some(lead);
        self.lead_required = true;
        self
    }

    /// At most so many characters of the body.
    pub(super) const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Exactly so many characters of the body.
    pub(super) const fn exactly(mut self, count: usize) -> Self {
        self.least = count;
        self.limit = count;
        self
    }

    /// With `tail*` behind.
    pub(super) const fn tail(mut self, tail: Set) -> Self {
        self.tail = Some(tail);
        self
    }

    /// With `tail?` behind.
    pub(super) const fn tail_once(mut self, tail: Set) -> Self {
        self.tail = Some(tail);
        self.tail_limit = 1;
        self
    }

    /// With a contraction behind, in any case.
    pub(super) const fn contraction(mut self) -> Self {
        self.contraction = true;
        self
    }

    fn matches(&self, cells: &[Cell], at: usize) -> Option<usize> {
        let has_lead = self.lead.is_some_and(|lead| lead.holds(cells, at));
        let mut start = at + usize::from(has_lead);
        let mut length = 0;
        if has_lead || !self.lead_required {
            length = self.body.run(cells, start, self.limit);
        }
        if length < self.least && has_lead && !self.lead_required {
            start = at;
            length = self.body.run(cells, start, self.limit);
        }
        if length < self.least {
            return None;
        }
        let mut end = start + length;
        if let Some(tail) = self.tail {
            end += tail.run(cells, end, self.tail_limit);
        }
        if self.contraction {
            end += contraction(cells, end, true).unwrap_or(0);
        }
        Some(end)
    }
}

/// What the last look at a run of white space found, so that a long run is looked at once.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// No line break stands between the last look and here.
    unbroken_until: usize,
    /// The run of white space that was looked at ends here.
    spaces_until: usize,
}

const SPACES: Set = Set::new().spaces();
const LEAD: Set = Set::new().ascii(b"\r\n").letters().numbers().negated();

impl Rule {
    /// The end of the match that starts at `at`.
    #[inline]
    pub(super) fn matches(&self, cells: &[Cell], at: usize, memory: &mut Memory) -> Option<usize> {
        match self {
            Self::Contraction { any_case } => {
                contraction(cells, at, *any_case).map(|length| at + length)
            }
            Self::Run(run) => run.matches(cells, at),
            Self::CasedWord { body, contraction } => cased_word(cells, at, body, LEAD)
                .map(|end| with_contraction(cells, end, *contraction)),
            Self::SpacedWords => spaced_words(cells, at),
            Self::Newlines => newlines(cells, at, memory),
            Self::SpacesBeforeSpace => {
                let length = spaces(cells, at, memory);
                match length {
                    0 => None,
                    _ if at + length == cells.len() => Some(at + length),
                    1 => None,
                    _ => Some(at + length - 1),
                }
            }
            Self::SpaceCascade => {
                let length = spaces(cells, at, memory);
                // What may be taken and still be followed by no visible character.
                let room = if at + length == cells.len() {
                    length
                } else {
                    length.saturating_sub(1)
                };
                let taken = [512, 256, 128, 64, 32, 16, 8, 4]
                    .into_iter()
                    .find(|&size| size <= room);
                (length > 0).then(|| at + taken.unwrap_or(room.clamp(1, 2)))
            }
            Self::SpacesAtEnd => {
                let length = spaces(cells, at, memory);
                (length > 0 && at + length == cells.len()).then_some(cells.len())
            }
            Self::Literal(literal) => starts_with(cells, at, literal).then(|| at + literal.len()),
            Self::Sentinel => {
                let name = b"<sentinel:";
                let digits = Set::new().ascii_span(b'0', b'9');
                let start = starts_with(cells, at, name).then(|| at + name.len())?;
                let end = start + digits.run(cells, start, usize::MAX);
                (end > start && cells.get(end)?.is_ascii(b'>')).then_some(end + 1)
            }
            Self::ImageName => {
                let name = b"IMGIMG";
                let digits = Set::new().ascii_span(b'A', b'I');
                let start = starts_with(cells, at, name).then(|| at + name.len())?;
                let end = start + digits.run(cells, start, 4);
                (end > start && cells.get(end)?.is_ascii(b'Z')).then_some(end + 1)
            }
        }
    }
}

fn starts_with(cells: &[Cell], at: usize, literal: &[u8]) -> bool {
    cells.get(at..at + literal.len()).is_some_and(|cells| {
        cells
            .iter()
            .zip(literal)
            .all(|(cell, &byte)| cell.is_ascii(byte))
    })
}

/// The length of `'s`, `'t`, `'m`, `'d`, `'re`, `'ve` or `'ll`.
#[inline]
pub(super) fn contraction(cells: &[Cell], at: usize, any_case: bool) -> Option<usize> {
    if !cells.get(at)?.is_ascii(b'\'') {
        return None;
    }
    let letter = |offset: usize| {
        let byte = u8::try_from(cells.get(at + offset)?.code()).ok()?;
        Some(if any_case {
            byte.to_ascii_lowercase()
        } else {
            byte
        })
    };
    match letter(1)? {
        b's' | b't' | b'm' | b'd' => Some(2),
        b'r' | b'v' if letter(2)? == b'e' => Some(3),
        b'l' if letter(2)? == b'l' => Some(3),
        _ => None,
    }
}

fn with_contraction(cells: &[Cell], end: usize, wanted: bool) -> usize {
    if wanted {
        end + contraction(cells, end, true).unwrap_or(0)
    } else {
        end
    }
}

/// The length of the white space from `at` on.
#[inline]
fn spaces(cells: &[Cell], at: usize, memory: &mut Memory) -> usize {
    if !SPACES.holds(cells, at) {
        return 0;
    }
    if memory.spaces_until <= at {
        memory.spaces_until = at + SPACES.run(cells, at, usize::MAX);
    }
    memory.spaces_until - at
}

#[inline]
fn newlines(cells: &[Cell], at: usize, memory: &mut Memory) -> Option<usize> {
    if at < memory.unbroken_until {
        return None;
    }
    let end = at + spaces(cells, at, memory);
    let last = cells[at..end]
        .iter()
        .rposition(|cell| cell.is_ascii(b'\n') || cell.is_ascii(b'\r'));
    if last.is_none() {
        memory.unbroken_until = end;
    }
    last.map(|last| at + last + 1)
}

/// `lead? A* B+ | lead? A+ B*` with A all of `body` but a–z and B all of it but A–Z.
fn cased_word(cells: &[Cell], at: usize, body: &Set, lead: Set) -> Option<usize> {
    let start = at + usize::from(lead.holds(cells, at));
    // A lead that is a mark may also be the word itself.
    word_with_small_end(cells, start, body)
        .or_else(|| {
            if start > at {
                word_with_small_end(cells, at, body)
            } else {
                None
            }
        })
        .or_else(|| word_of_capitals(cells, start, body))
        .or_else(|| {
            if start > at {
                word_of_capitals(cells, at, body)
            } else {
                None
            }
        })
}

fn is_small(cell: Cell) -> bool {
    (u32::from(b'a')..=u32::from(b'z')).contains(&cell.code())
}

fn is_capital(cell: Cell) -> bool {
    (u32::from(b'A')..=u32::from(b'Z')).contains(&cell.code())
}

/// `A* B+`
fn word_with_small_end(cells: &[Cell], start: usize, body: &Set) -> Option<usize> {
    let rest = cells.get(start..)?;
    let first = rest
        .iter()
        .take_while(|&&cell| body.contains(cell) && !is_small(cell))
        .count();
    let second = rest[first..]
        .iter()
        .take_while(|&&cell| body.contains(cell) && !is_capital(cell))
        .count();
    if second > 0 {
        return Some(start + first + second);
    }
    // No small letter follows: give back up to the last character that counts as one too.
    rest[..first]
        .iter()
        .rposition(|&cell| !is_capital(cell))
        .map(|last| start + last + 1)
}

/// `A+ B*` where `A* B+` has failed, so that no B can follow.
fn word_of_capitals(cells: &[Cell], start: usize, body: &Set) -> Option<usize> {
    let rest = cells.get(start..)?;
    let length = rest
        .iter()
        .take_while(|&&cell| body.contains(cell) && !is_small(cell))
        .count();
    (length > 0).then_some(start + length)
}

fn spaced_words(cells: &[Cell], at: usize) -> Option<usize> {
    let is = |index: usize, mask: u8| cells.get(index).is_some_and(|cell| cell.is(mask));
    let mut end = at + usize::from(LEAD.holds(cells, at));
    if !is(end, category::LETTER) {
        return None;
    }
    loop {
        if is(end, category::LETTER | category::MARK) {
            end += 1;
        } else if cells.get(end).is_some_and(|cell| cell.is_ascii(b' '))
            && is(end + 1, category::LETTER)
        {
            end += 2;
        } else {
            return Some(end);
        }
    }
}
